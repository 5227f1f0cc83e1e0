# Needs Go, git and make; fetches and builds everything else into bin/.

.NOTPARALLEL:
.DEFAULT_GOAL := help

TELEGRAF      := github.com/influxdata/telegraf
# What the demonstration and the tests need of Telegraf; empty builds all of it.
TELEGRAF_TAGS := custom,inputs.exec,inputs.execd,inputs.http,inputs.influxdb_v2_listener,inputs.internal,inputs.nats_consumer,processors.dedup,processors.starlark,outputs.file,outputs.influxdb,outputs.influxdb_v2,outputs.kafka,outputs.nats,outputs.postgresql,outputs.prometheus_client,parsers.influx,parsers.json_v2,serializers.influx,serializers.json,secretstores.docker,secretstores.http,secretstores.jose,secretstores.os,secretstores.systemd
# The oldest Telegraf that the README claims, and what its test needs of it.
TELEGRAF_OLDEST      := v1.32.0
TELEGRAF_OLDEST_TAGS := custom,inputs.execd,outputs.file,outputs.influxdb,parsers.influx,serializers.influx
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
INFLUXD       := github.com/influxdata/influxdb/cmd/influxd@v1.8.10
INFLUX        := github.com/influxdata/influxdb/cmd/influx@v1.8.10
INFLUXDB2     := github.com/influxdata/influxdb/v2@v2.7.12
INFLUX_PKG_CONFIG := github.com/influxdata/pkg-config@v0.2.14
NATS_SERVER   := github.com/nats-io/nats-server/v2@v2.15.2
# Later ones need a later Go than go.mod.
VICTORIAMETRICS := github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.137.0
# Later ones need modules that the Go module proxy does not give everywhere.
NFPM          := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
GOTESTSUM     := gotest.tools/gotestsum@v1.13.0
CYCLONEDX     := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
ACTIONLINT    := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
FUZZTIME      := 60s

# The systems that `make package-all` makes packages for; `make package` does for this machine alone. Both into DIST.
ALL_SYSTEMS := linux_amd64 linux_arm64 windows_amd64 darwin_amd64 darwin_arm64
SYSTEMS     := $(shell go env GOHOSTOS)_$(shell go env GOHOSTARCH)
DIST        := dist
# What `make image` makes: for which systems, and with what of Telegraf; empty is all of it, which takes minutes to build.
IMAGE_ARCHS := amd64 arm64
IMAGE_TAGS  :=
# Whom the packages name: set it where they are published.
MAINTAINER := The telegraf-wolkvox-ivr authors <telegraf-wolkvox-ivr@example.org>

# Everything but the race detector is built alike, so that programs, tools, vet and the linter share one build cache.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(shell go env GOFLAGS) -trimpath -buildvcs=false)

VERSION          = $(or $(shell sh cmd/telegraf-wolkvox-ivr/package/version.sh),$(error No version of this source))
TELEGRAF_VERSION = $(shell go list -m -f '{{.Version}}' $(TELEGRAF))
TELEGRAF_LDFLAGS = -s -w -X $(TELEGRAF)/internal.Version=$(patsubst v%,%,$(TELEGRAF_VERSION))
LDFLAGS          = $(TELEGRAF_LDFLAGS) -X main.version=$(VERSION)
PLUGIN          := plugins/inputs/wolkvox_ivr
# The folders that make up the plugin, which build inside Telegraf's own tree too.
PLUGIN_FOLDERS  := $(PLUGIN) plugins/common/hours plugins/common/redact plugins/common/wolkvox

.PHONY: help
help: ## Shows this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: build telegraf influxd influx ## Shows the plugin at work: a real Telegraf and InfluxDB, on a simulated wolkvox or on yours (WOLKVOX_SERVER, WOLKVOX_TOKEN)
	@sh testdata/run/run.sh

## Programs

.PHONY: build
build: ## Builds bin/telegraf-wolkvox-ivr and bin/wolkvox-simulator
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/telegraf-wolkvox-ivr ./cmd/wolkvox-simulator

.PHONY: portable
portable: ## Builds the plugin as for systems that do not tell what becomes of rows written, for the tests
	go build -tags portable -ldflags '$(LDFLAGS)' -o bin/telegraf-wolkvox-ivr-portable ./cmd/telegraf-wolkvox-ivr

.PHONY: telegraf
telegraf: bin/telegraf ## Builds bin/telegraf, a real Telegraf of the version in go.mod with the few plugins that are used here
bin/telegraf: bin/.telegraf
	go mod download $(TELEGRAF)
	go build -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" -ldflags '$(TELEGRAF_LDFLAGS)' -tags '$(TELEGRAF_TAGS)' -o '$(CURDIR)/$@' ./cmd/telegraf

.PHONY: telegraf-oldest
telegraf-oldest: bin/telegraf-oldest ## Builds bin/telegraf-oldest, the oldest Telegraf that runs the plugin well
bin/telegraf-oldest: bin/.telegraf-oldest
	dir=$$(go mod download -json $(TELEGRAF)@$(TELEGRAF_OLDEST) | awk -F '"' '$$2 == "Dir" { print $$4 }') && cd "$$dir" && \
	go build -ldflags '-s -w -X $(TELEGRAF)/internal.Version=$(patsubst v%,%,$(TELEGRAF_OLDEST))' -tags '$(TELEGRAF_OLDEST_TAGS)' \
		-o '$(CURDIR)/$@' ./cmd/telegraf

.PHONY: telegraf-native
telegraf-native: bin/telegraf-native ## Builds bin/telegraf-native, the same Telegraf with the plugin compiled in
bin/telegraf-native: bin/.telegraf-native $(shell find $(PLUGIN_FOLDERS) -type f ! -name '*_test.go' ! -path '*/testdata/*')
	@$(in_telegraf_source) \
	go build -ldflags '$(TELEGRAF_LDFLAGS)' -tags '$(TELEGRAF_TAGS),inputs.wolkvox_ivr' -o '$(CURDIR)/$@' ./cmd/telegraf

# Goes into a temporary copy of Telegraf's source that has the plugin in it, under Telegraf's module name.
define in_telegraf_source
set -e; go mod download $(TELEGRAF); copy=$$(mktemp -d); \
trap '{ set +x; } 2>/dev/null; chmod -R u+w "$$copy"; rm -rf "$$copy"' EXIT; trap 'exit 1' HUP INT TERM; \
cp -R "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))/." "$$copy"; chmod -R u+w "$$copy"; \
for folder in $(PLUGIN_FOLDERS); do \
	cp -R $$folder "$$copy/$$(dirname $$folder)"; \
	find "$$copy/$$folder" -name '*.go' -exec sed -i.orig 's|"telegraf-wolkvox-ivr/plugins/|"$(TELEGRAF)/plugins/|' {} +; \
done; \
printf '//go:build !custom || inputs || inputs.wolkvox_ivr\n\npackage all\n\nimport _ "$(TELEGRAF)/$(PLUGIN)" // register plugin\n' \
	>"$$copy/plugins/inputs/all/wolkvox_ivr.go"; \
cd "$$copy"; set -x;
endef

.PHONY: influxd
influxd: bin/influxd ## Builds bin/influxd, a real InfluxDB
bin/influxd: bin/.influxd
	GOBIN='$(CURDIR)/bin' go install $(INFLUXD)

.PHONY: influx
influx: bin/influx ## Builds bin/influx, the command line for InfluxDB
bin/influx: bin/.influx
	GOBIN='$(CURDIR)/bin' go install $(INFLUX)

# Besides Go, its query language is Rust and C. A later rustc than it was written for warns of more, which it takes for errors.
.PHONY: influxd2
influxd2: bin/influxd2 ## Builds bin/influxd2, a real InfluxDB 2, which takes cargo and a C compiler; the tests use it where it is
bin/influxd2: bin/.influxd2
	GOBIN='$(CURDIR)/bin' go install $(INFLUX_PKG_CONFIG)
	@printf '#!/bin/sh\ncase "$$*" in *--cap-lints*) ;; *) set -- "$$@" --cap-lints warn ;; esac\nexec "$$@"\n' >bin/rustc && chmod +x bin/rustc
	dir=$$(go mod download -json $(INFLUXDB2) | awk -F '"' '$$2 == "Dir" { print $$4 }') && cd "$$dir" && \
	CGO_ENABLED=1 PKG_CONFIG='$(CURDIR)/bin/pkg-config' RUSTUP_TOOLCHAIN=stable RUSTC_WRAPPER='$(CURDIR)/bin/rustc' \
	go build -tags sqlite_foreign_keys,sqlite_json -o '$(CURDIR)/$@' ./cmd/influxd

.PHONY: nats-server
nats-server: bin/nats-server ## Builds bin/nats-server, a real NATS server
bin/nats-server: bin/.nats-server
	GOBIN='$(CURDIR)/bin' go install $(NATS_SERVER)

.PHONY: victoria-metrics
victoria-metrics: bin/victoria-metrics ## Builds bin/victoria-metrics, a real VictoriaMetrics
bin/victoria-metrics: bin/.victoria-metrics
	GOBIN='$(CURDIR)/bin' go install $(VICTORIAMETRICS)

.PHONY: kafka
kafka: ## Fetches Apache Kafka and Kafka Connect into bin, where there are Java and Maven
	@command -v java >/dev/null && command -v mvn >/dev/null && $(MAKE) --no-print-directory bin/kafka bin/kafka-connect || \
	echo "No Java, no Maven, or nothing by it: the tests do without Apache Kafka."
bin/kafka: testdata/kafka/pom.xml
bin/kafka-connect: testdata/kafka/connect/pom.xml
bin/kafka bin/kafka-connect:
	rm -rf $@ $@.new
	mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory='$(CURDIR)/$@.new'
	@mv $@.new $@ && touch $@

.PHONY: dashboard
dashboard: dashboard-files dashboard-modules build telegraf influxd ## Makes the files and pictures of the dashboard, which takes Node, npm and Chromium
	DASHBOARD_PICTURES='$(CURDIR)/testdata/grafana' TEST_EVERYTHING=1 go test -count=1 -run '^TestDashboardRendering$$' -tags integration ./cmd/telegraf-wolkvox-ivr/tests/dashboard

.PHONY: dashboard-files
dashboard-files: ## Makes the dashboard's file in each language, of their source
	go run ./testdata/grafana/source testdata/grafana

.PHONY: dashboard-modules
dashboard-modules: ## Fetches Grafana's code for the dashboard's pictures into bin, where there are Node and npm
	@command -v node >/dev/null && command -v npm >/dev/null && $(MAKE) --no-print-directory bin/dashboard || \
	echo "No Node, no npm, or nothing by it: the tests do without pictures of the dashboard."
# A go.mod keeps Go from what packages of npm have in Go.
bin/dashboard: testdata/grafana/render/package-lock.json
	rm -rf $@ $@.new && mkdir -p $@.new && touch $@.new/go.mod
	cp testdata/grafana/render/package*.json testdata/grafana/render/.npmrc $@.new
	npm ci --prefix $@.new --ignore-scripts --no-audit --no-fund --loglevel error
	@mv $@.new $@ && touch $@

bin/golangci-lint: bin/.golangci-lint
	GOBIN='$(CURDIR)/bin' go install $(GOLANGCI_LINT)

# Tests as `go test` shows them; at the end, what was left out and why. .ci/run reads the times of all in bin/*.json.
GO_TEST = bin/gotestsum --format standard-quiet --jsonfile bin/$@.json --
bin/gotestsum: bin/.gotestsum
	GOBIN='$(CURDIR)/bin' go install $(GOTESTSUM)

bin/nfpm: bin/.nfpm
	GOBIN='$(CURDIR)/bin' go install $(NFPM)

bin/cyclonedx-gomod: bin/.cyclonedx-gomod
	GOBIN='$(CURDIR)/bin' go install $(CYCLONEDX)

bin/actionlint: bin/.actionlint
	GOBIN='$(CURDIR)/bin' go install $(ACTIONLINT)

.PHONY: package
package: bin/nfpm bin/cyclonedx-gomod ## Makes what this machine can install in dist/: packages, an archive and its SBOM
	@VERSION='$(VERSION)' DIST='$(DIST)' SYSTEMS='$(SYSTEMS)' MAINTAINER='$(MAINTAINER)' TELEGRAF_LDFLAGS='$(TELEGRAF_LDFLAGS)' \
		sh cmd/telegraf-wolkvox-ivr/package/package.sh

.PHONY: package-all
package-all: ## Makes packages, archives and SBOMs for all systems in dist/
	@$(MAKE) --no-print-directory package SYSTEMS='$(ALL_SYSTEMS)'

.PHONY: image
image: bin/cyclonedx-gomod ## Makes an OCI image archive in dist/, with a whole Telegraf
	@VERSION='$(VERSION)' DIST='$(DIST)' ARCHS='$(IMAGE_ARCHS)' TELEGRAF_TAGS='$(IMAGE_TAGS)' TELEGRAF_LDFLAGS='$(TELEGRAF_LDFLAGS)' \
		sh cmd/telegraf-wolkvox-ivr/package/image.sh

.PHONY: release
release: ## Checks that VERSION can be released, and makes all of it in dist/
	@VERSION='$(VERSION)' DIST='$(DIST)' MAKE='$(MAKE)' sh cmd/telegraf-wolkvox-ivr/package/release.sh

# bin/.NAME holds what bin/NAME was built from: where that changes, the file does, and the program is built again.
bin/.telegraf bin/.telegraf-native: from = $(TELEGRAF_VERSION) $(TELEGRAF_TAGS)
bin/.telegraf-oldest:               from = $(TELEGRAF_OLDEST) $(TELEGRAF_OLDEST_TAGS)
bin/.influxd:                       from = $(INFLUXD)
bin/.influx:                        from = $(INFLUX)
bin/.influxd2:                      from = $(INFLUXDB2) $(INFLUX_PKG_CONFIG)
bin/.nats-server:                   from = $(NATS_SERVER)
bin/.golangci-lint:                 from = $(GOLANGCI_LINT)
bin/.victoria-metrics:              from = $(VICTORIAMETRICS)
bin/.nfpm:                          from = $(NFPM)
bin/.gotestsum:                     from = $(GOTESTSUM)
bin/.cyclonedx-gomod:               from = $(CYCLONEDX)
bin/.actionlint:                    from = $(ACTIONLINT)
bin/.%: FORCE
	@mkdir -p bin; echo '$(from)' | cmp -s - $@ || echo '$(from)' >$@
.PHONY: FORCE
FORCE:

## Checks, the quick ones first

.PHONY: test
test: format tidy vet lint unit native integration ## Checks and tests everything

.PHONY: format
format:
	@bad=$$("$$(go env GOROOT)/bin/gofmt" -l cmd plugins); test -z "$$bad" || { echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; }

.PHONY: tidy
tidy:
	go mod tidy -diff

.PHONY: vet
vet:
	go vet -tags integration,bench ./...
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...

.PHONY: lint
lint: bin/golangci-lint ## Runs golangci-lint
	bin/golangci-lint run
	GOOS=darwin bin/golangci-lint run --tests=false
	GOOS=windows bin/golangci-lint run --tests=false
	go run -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" ./tools/readme_linter '$(CURDIR)/$(PLUGIN)/README.md'

# -short: the long simulations run without the race detector, in native and integration.
.PHONY: unit
unit: bin/gotestsum ## Runs the unit tests, with the race detector where there is a C compiler, and fuzzes for some seconds
	@if command -v $$(go env CC) >/dev/null; then race=-race CGO_ENABLED=1; \
	else race=; echo "No C compiler: the tests run without the race detector."; fi; \
	set -x; $(GO_TEST) $$race -short -vet=off ./...
	@for fuzz in FuzzReport:plugins/common/wolkvox FuzzHour:plugins/common/wolkvox FuzzServer:$(PLUGIN); do set -x; \
		go test -run '^$$' -fuzz "^$${fuzz%%:*}\$$" -fuzztime 3000x -fuzzminimizetime 10x ./$${fuzz#*:} || exit; done

.PHONY: native
native: bin/gotestsum
	@$(in_telegraf_source) PATH='$(CURDIR)/bin':"$$PATH"; gotestsum --format standard-quiet --jsonfile '$(CURDIR)/bin/$@.json' -- $(addprefix ./,$(PLUGIN_FOLDERS))

.PHONY: integration
integration: build portable telegraf telegraf-native telegraf-oldest influxd influx nats-server bin/nfpm bin/cyclonedx-gomod bin/actionlint bin/gotestsum victoria-metrics kafka dashboard-modules ## Runs the tests against real Telegraf and real destinations
	$(GO_TEST) -count=1 -tags integration ./cmd/telegraf-wolkvox-ivr/tests/...

.PHONY: bench
bench: build telegraf telegraf-native ## Measures the plugin beside inputs.http, and inputs.exec with a script of curl and jq
	go test -count=1 -v -timeout 30m -run '^TestBench' -tags integration,bench ./cmd/telegraf-wolkvox-ivr/tests/fleet

.PHONY: fuzz
fuzz: ## Fuzzes each fuzz test for FUZZTIME (60s)
	@for package in $$(go list ./...); do \
		for fuzz in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$fuzz\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit; \
		done; \
	done

.PHONY: vuln
vuln: ## Looks for known vulnerabilities in what the programs call
	go run $(GOVULNCHECK) ./...

.PHONY: fmt
fmt: bin/golangci-lint ## Formats the code
	bin/golangci-lint fmt

.PHONY: clean
clean: ## Removes what was built
	rm -rf bin dist
