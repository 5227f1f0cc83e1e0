# Needs Go, git and make; fetches and builds everything else into bin/.

.NOTPARALLEL:
.DEFAULT_GOAL := help
PACKAGING := cmd/telegraf-wolkvox-ivr/packaging
include $(PACKAGING)/packages.mk
.PHONY: $(shell sed -n 's/^\([a-z][a-z0-9-]*\):.*/\1/p' $(MAKEFILE_LIST))

TELEGRAF := github.com/influxdata/telegraf
FUZZTIME := 60s

# All but the race detector builds alike, so that programs, tests and tools share one build cache.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(shell go env GOFLAGS) -trimpath -buildvcs=false)

TELEGRAF_LDFLAGS = -s -w -X $(TELEGRAF)/internal.Version=$(patsubst v%,%,$(shell go list -m -f '{{.Version}}' $(TELEGRAF)))
LDFLAGS          = $(TELEGRAF_LDFLAGS) -X main.version=$(VERSION)
TOOL             = go tool -modfile='$(CURDIR)/.ci/tools/go.mod'
# Tests as `go test` shows them; at the end, what was left out and why. .ci/run reads the times in bin/*.json.
GO_TEST          = $(TOOL) gotestsum --format standard-quiet --jsonfile '$(CURDIR)/bin/$@.json' -- -vet=off
TESTS           := ./cmd/telegraf-wolkvox-ivr/tests

help: ## Shows this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build bin/telegraf bin/influxd bin/influx ## Shows the plugin at work: a real Telegraf and InfluxDB, on a simulated wolkvox or on yours (WOLKVOX_SERVER, WOLKVOX_TOKEN)
	@sh testdata/run/run.sh

test: lint unit integration ## Tests what a change may break: format, lint, unit tests, a real Telegraf and InfluxDB
	@echo "Left out: long simulations, the race detector, other destinations, fleets, dashboard and packages. make test-everything tests them."

test-everything: tidy cross race simulations more fleet ## Tests the rest: the race detector, long simulations, other destinations and systems, fleets, dashboard, packages
	$(MAKE) --no-print-directory fuzz FUZZTIME=3000x

format: ## Formats the code
	$(TOOL) golangci-lint fmt

lint: ## Runs golangci-lint, which looks at the format too, and Telegraf's linter for READMEs
	$(TOOL) golangci-lint run ./... ./testdata/grafana/source
	go vet -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" '$(CURDIR)/cmd/telegraf-wolkvox-ivr/tests/packages/testdata/kubernetes.go'
	go run -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" ./tools/readme_linter '$(CURDIR)/plugins/inputs/wolkvox_ivr/README.md'

unit: ## Runs the unit tests, the long simulations in short
	$(GO_TEST) -short ./...

integration: build bin/telegraf bin/influxd bin/influx ## Tests with a real Telegraf and InfluxDB
	go build -tags portable -ldflags '$(LDFLAGS)' -o bin/telegraf-wolkvox-ivr-portable ./cmd/telegraf-wolkvox-ivr
	$(GO_TEST) -count=1 -parallel 6 -tags integration $(TESTS)/telegraf

tidy:
	go mod tidy -diff
	go -C .ci/tools mod tidy -diff

cross:
	lint="$$($(TOOL) -n golangci-lint) run --tests=false" && GOOS=darwin $$lint && GOOS=windows $$lint
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...

# What unit's -short leaves out.
simulations:
	$(GO_TEST) -run '^(TestSimulat.*|TestCostlyResponses|TestSoak)$$' ./plugins/inputs/wolkvox_ivr ./plugins/common/hours ./plugins/common/wolkvox \
		$(TESTS)/simulations

# With the race detector; those of the plugin in Telegraf's own tree.
race: export CGO_ENABLED := 1
race:
	sh .ci/in-telegraf go test -race -short -vet=off ./plugins/inputs/wolkvox_ivr ./plugins/common/hours ./plugins/common/redact ./plugins/common/wolkvox
	go test -race -short -vet=off ./plugins/common/configcheck ./plugins/common/host ./plugins/common/simulator \
		./cmd/wolkvox-simulator ./cmd/telegraf-wolkvox-ivr ./cmd/telegraf-wolkvox-ivr/check

more: build bin/telegraf bin/telegraf-oldest bin/influxd bin/influx bin/nats-server bin/victoria-metrics bin/actionlint $(PACKAGERS) \
		$(if $(shell command -v mvn),bin/kafka bin/kafka-connect) $(if $(shell command -v npm),bin/dashboard)
	$(GO_TEST) -count=1 -parallel 4 -tags integration $(addprefix $(TESTS)/,oldest destinations dashboard packages)

# It measures memory and time, and so is alone on the machine.
fleet: build bin/telegraf
	$(GO_TEST) -count=1 -tags integration $(TESTS)/fleet

slowest:
	@cat bin/*.json | $(TOOL) gotestsum tool slowest --num 10

bench: build bin/telegraf ## Measures the plugin beside inputs.http, and inputs.exec with a script of curl and jq
	go test -count=1 -v -timeout 30m -run '^TestBench' -tags integration,bench $(TESTS)/fleet

fuzz: ## Fuzzes each fuzz test for FUZZTIME (60s)
	@for package in $$(go list ./plugins/...); do \
		for fuzz in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$fuzz\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit; \
		done; \
	done

vuln: ## Looks for known vulnerabilities in what the programs call
	$(TOOL) govulncheck ./...

clean: ## Removes what was built
	rm -rf bin dist

build: ## Builds bin/telegraf-wolkvox-ivr and bin/wolkvox-simulator
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/telegraf-wolkvox-ivr ./cmd/wolkvox-simulator

telegraf: bin/telegraf ## Builds bin/telegraf, a real Telegraf that has the plugin compiled in too
influxd2: bin/influxd2 ## Builds bin/influxd2, a real InfluxDB 2, which takes cargo and a C compiler; the tests use it where it is
bin/%: .ci/build
	sh .ci/build $*
bin/telegraf: go.mod .ci/in-telegraf $(shell find plugins/inputs plugins/common -type f ! -name '*_test.go')
bin/kafka: testdata/kafka/pom.xml
bin/kafka-connect: testdata/kafka/connect/pom.xml
bin/dashboard: testdata/grafana/render/package-lock.json

dashboard: dashboard-files bin/dashboard build bin/telegraf bin/influxd ## Makes the files and pictures of the dashboard, which takes Node, npm and Chromium
	DASHBOARD_PICTURES='$(CURDIR)/testdata/grafana' TEST_EVERYTHING=1 go test -count=1 -run '^TestDashboardRendering$$/^InfluxDB_1.8$$' -tags integration $(TESTS)/dashboard

dashboard-files: ## Makes the dashboard's files, for each database and language
	go run ./testdata/grafana/source testdata/grafana
