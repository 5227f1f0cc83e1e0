# Needs Go, git and make. Fetches and builds everything else into bin/.

.NOTPARALLEL:
.DEFAULT_GOAL := help
PACKAGING := cmd/telegraf-wolkvox-ivr/packaging
include $(PACKAGING)/packages.mk
.PHONY: $(shell sed -n 's/^\([a-z][a-z0-9-]*\):.*/\1/p' $(MAKEFILE_LIST))

TELEGRAF := github.com/influxdata/telegraf
FUZZTIME := 60s

# Everything except the race detector uses the same flags, so that programs, tests and tools share one build cache.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(shell go env GOFLAGS) -trimpath -buildvcs=false)

TELEGRAF_LDFLAGS = -s -w -X $(TELEGRAF)/internal.Version=$(patsubst v%,%,$(shell go list -m -f '{{.Version}}' $(TELEGRAF)))
LDFLAGS          = $(TELEGRAF_LDFLAGS) -X main.version=$(VERSION)
TOOL             = go tool -modfile='$(CURDIR)/.ci/tools/go.mod'
# Reports like go test, then lists the skipped tests with the reason. make slowest reads the times from bin/*.json.
GO_TEST          = $(TOOL) gotestsum --format standard-quiet --jsonfile '$(CURDIR)/bin/$@.json' -- -vet=off
TESTS           := ./cmd/telegraf-wolkvox-ivr/tests

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build bin/telegraf bin/influxd bin/influx ## Runs the plugin in a real Telegraf with InfluxDB, on a simulated wolkvox or yours (WOLKVOX_SERVER, WOLKVOX_TOKEN)
	@sh testdata/run/run.sh

test: lint unit integration ## Runs what every change must pass: format, lint, unit tests, a real Telegraf and InfluxDB
	@echo "Left out: long simulations, the race detector, other destinations, fleets, dashboard and packages. make test-everything tests them."

test-everything: tidy cross race simulations more fleet ## Runs the other tests: race detector, long simulations, other destinations and systems, fleets, dashboard, packages
	$(MAKE) --no-print-directory fuzz FUZZTIME=3000x

format: ## Formats the code
	$(TOOL) golangci-lint fmt

lint: ## Runs golangci-lint, which also checks the format, and Telegraf's README linter
	$(TOOL) golangci-lint run ./... ./testdata/grafana/source
	go vet -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" '$(CURDIR)/cmd/telegraf-wolkvox-ivr/tests/packages/testdata/kubernetes.go'
	go run -C "$$(go list -m -f '{{.Dir}}' $(TELEGRAF))" ./tools/readme_linter '$(CURDIR)/plugins/inputs/wolkvox_ivr/README.md'

unit: ## Runs the unit tests, with shortened simulations
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

# The tests that `unit` shortens or skips.
simulations:
	$(GO_TEST) -run '^(TestSimulat.*|TestCostlyResponses|TestSoak)$$' ./plugins/inputs/wolkvox_ivr ./plugins/common/hours ./plugins/common/wolkvox \
		$(TESTS)/simulations

# The race detector. The plugin's tests run in Telegraf's own tree.
race: export CGO_ENABLED := 1
race:
	sh .ci/in-telegraf go test -race -short -vet=off ./plugins/inputs/wolkvox_ivr ./plugins/common/hours ./plugins/common/redact ./plugins/common/wolkvox
	go test -race -short -vet=off ./plugins/common/configcheck ./plugins/common/host ./plugins/common/simulator \
		./cmd/wolkvox-simulator ./cmd/telegraf-wolkvox-ivr ./cmd/telegraf-wolkvox-ivr/check

more: build bin/telegraf bin/telegraf-oldest bin/influxd bin/influx bin/nats-server bin/victoria-metrics bin/actionlint $(PACKAGERS) \
		$(if $(shell command -v mvn),bin/kafka bin/kafka-connect) $(if $(shell command -v npm),bin/dashboard)
	$(GO_TEST) -count=1 -parallel 4 -tags integration $(addprefix $(TESTS)/,oldest destinations dashboard packages)

# Measures memory and time, so it needs the machine to itself.
fleet: build bin/telegraf
	$(GO_TEST) -count=1 -tags integration $(TESTS)/fleet

slowest:
	@cat bin/*.json | $(TOOL) gotestsum tool slowest --num 10

bench: build bin/telegraf ## Compares the plugin's cost with inputs.http, and with inputs.exec running curl and jq
	go test -count=1 -v -timeout 30m -run '^TestBench' -tags integration,bench $(TESTS)/fleet

fuzz: ## Runs each fuzz test for FUZZTIME (60s)
	@for package in $$(go list ./plugins/...); do \
		for fuzz in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			go test -run '^$$' -fuzz "^$$fuzz\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit; \
		done; \
	done

vuln: ## Checks for known vulnerabilities in the code that the programs call
	$(TOOL) govulncheck ./...

clean: ## Removes everything built
	rm -rf bin dist

build: ## Builds bin/telegraf-wolkvox-ivr and bin/wolkvox-simulator
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/telegraf-wolkvox-ivr ./cmd/wolkvox-simulator

telegraf: bin/telegraf ## Builds bin/telegraf, a real Telegraf with the plugin compiled in
influxd2: bin/influxd2 ## Builds bin/influxd2, a real InfluxDB 2, which needs cargo and a C compiler. Tests use it if it exists
bin/%: .ci/build
	sh .ci/build $*
bin/telegraf: go.mod .ci/in-telegraf $(shell find plugins/inputs plugins/common -type f ! -name '*_test.go')
bin/kafka: testdata/kafka/pom.xml
bin/kafka-connect: testdata/kafka/connect/pom.xml
bin/dashboard: testdata/grafana/render/package-lock.json

dashboard: dashboard-files bin/dashboard build bin/telegraf bin/influxd ## Builds the dashboard's files and pictures, with Node, npm and Chromium
	DASHBOARD_PICTURES='$(CURDIR)/testdata/grafana' TEST_EVERYTHING=1 go test -count=1 -run '^TestDashboardRendering$$/^InfluxDB_1.8$$' -tags integration $(TESTS)/dashboard

dashboard-files: ## Builds the dashboard's files for each database and language
	go run ./testdata/grafana/source testdata/grafana
