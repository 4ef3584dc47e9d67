# Every target says behind ## what it does; plain `make` lists them.

# The modules of go.work whose tests need no server.
UNIT := ./... ./bench/... ./cmd/mlcache/... ./sqlinfo/oracle/... ./test/...
MODULES := . $(patsubst %/go.mod,%,$(wildcard */go.mod */*/go.mod))
# Those that are not in go.work, so that what they need stays out of the others' way.
ALONE := cache/msgpack cache/zstd examples integration/observe integration/orm metrics/otel metrics/prometheus

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GO_NEXT := go1.27.0
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## show the cache at work: brings its own database and Redis, under a minute
	go run ./cmd/mlcache demo

.PHONY: test
test: export MLCACHE_TEST_WHOLE=yes
test: vet model unit integration parity-next ## run every test, set-up included

.PHONY: vet
vet: ## run go vet over every module
	go vet -race $(UNIT) ./integration/...
	$(foreach m,$(ALONE),(cd $(m) && GOWORK=off go vet -race ./...) &&) true

.PHONY: unit
unit: ## run the tests that need no server
	go test -race -timeout 30m $(UNIT)
	$(foreach m,$(filter cache/%,$(ALONE)),(cd $(m) && GOWORK=off go test -race ./...) &&) true

# What a user imports and the command, for systems that the tests do not run on.
TARGET ?= windows/amd64
.PHONY: cross
cross: ## compile for another system, without cgo: make cross TARGET=windows/amd64
	GOOS=$(word 1,$(subst /, ,$(TARGET))) GOARCH=$(word 2,$(subst /, ,$(TARGET))) CGO_ENABLED=0 go vet ./... ./cmd/mlcache/...
	$(foreach m,$(filter cache/% metrics/%,$(ALONE)),(cd $(m) && GOWORK=off GOOS=$(word 1,$(subst /, ,$(TARGET))) GOARCH=$(word 2,$(subst /, ,$(TARGET))) CGO_ENABLED=0 go build ./...) &&) true

.PHONY: unit-32-bit
unit-32-bit: ## run the root module's unit tests as a 32-bit program (needs a processor that runs both)
	GOARCH=386 CGO_ENABLED=0 go test -timeout 20m ./...

.PHONY: model
model: ## check the protocol's model with spin, exhaustively (a minute of processor time)
	invalidation/model/run.sh

.PHONY: integration
integration: ## run the tests over real PostgreSQL and Redis, with ORMs, examples and pgx's own tests too
	integration/run.sh

.PHONY: bench
bench: ## measure the cache beside pgx, go-redis and others, side by side (minutes)
	go run ./bench

.PHONY: bench-record
bench-record: ## measure, and keep the figures in bench/results for later comparisons
	go run ./bench -json bench/results/last.json -benchmarks bench/results/last.txt

.PHONY: bench-compare
bench-compare: ## measure, and compare with the figures in bench/results
	go run ./bench -benchmarks bench/results/now.txt
	go run $(BENCHSTAT) bench/results/last.txt bench/results/now.txt

.PHONY: charts
charts: ## measure how costs grow with the work, and draw it into docs/charts (minutes)
	go run ./bench -dsn '' -redis '' -charts docs/charts

.PHONY: parity
parity: parity-now parity-next ## compare the optional interfaces with pgx's, on Go 1.26 and on Go 1.27

.PHONY: parity-now
parity-now:
	integration/run.sh -race=false -v -run TestParity .

# Without the race detector: nothing of it has been compiled by this Go before.
.PHONY: parity-next
parity-next:
	GOTOOLCHAIN=$(GO_NEXT) go test -count=1 -run TestOriginThatFillsDestinations ./test
	GOTOOLCHAIN=$(GO_NEXT) integration/run.sh -race=false -v -run 'TestParity|TestEveryDestination|TestSlices|TestDriverBytes|GivenAgain' .

# compile-ahead compiles what "test" runs last.
.PHONY: compile-ahead
compile-ahead:
	$(foreach m,$(filter integration/%,$(ALONE)),(cd $(m) && GOWORK=off go test -race -vet=off -c -o /dev/null ./...) &&) true
	cd examples && GOWORK=off go build -race -o /dev/null ./...
	GOTOOLCHAIN=$(GO_NEXT) go test -vet=off -c -o /dev/null ./test ./integration

.PHONY: fuzz
fuzz: ## look for a statement that PostgreSQL reads and sqlinfo misses: a million mutants of a new seed, then ten minutes of fuzzing
	cd sqlinfo/oracle && MLCACHE_SEED=random MLCACHE_MUTANTS=1000000 go test -count=1 -timeout 60m -v -run 'TestMutants|TestBodies|TestLexerOnPieces' .
	cd sqlinfo/oracle && go test -run '^$$' -fuzz . -fuzztime 10m .

.PHONY: torture
torture: ## break everything under 500,000 operations and kill 200 writers (about half an hour)
	MLCACHE_TORTURE=500000 MLCACHE_TORTURE_KILLS=200 integration/run.sh -race=false -parallel 1 -timeout 150m -v -run 'TestHistory|TestKilledWriters' ./history
	MLCACHE_LEAKS=10000 integration/run.sh -race=false -timeout 60m -v -run TestNothingLeaks .
	MLCACHE_CROWD=1m integration/run.sh -v -run TestCrowd .
	MLCACHE_HUGE=500000 integration/run.sh -v -run TestHuge .

.PHONY: lint
lint: ## run golangci-lint and check that every go.mod is tidy (builds the linter at first)
	$(foreach m,$(MODULES),(cd $(m) && GOWORK=off go mod tidy -diff) &&) true
	$(foreach m,$(MODULES),(cd $(m) && GOWORK=off go run $(GOLANGCI_LINT) run ./...) &&) true

.PHONY: fmt
fmt: ## format every Go file
	gofmt -w $(MODULES)

.PHONY: tidy
tidy: ## tidy the go.mod of every module
	$(foreach m,$(MODULES),(cd $(m) && GOWORK=off go mod tidy) &&) true
	go work sync
