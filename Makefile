# Every target says behind ## what it does; plain `make` lists them.

# The modules of go.work whose tests need no server.
UNIT := ./... ./bench/... ./cmd/mlcache/... ./sqlinfo/oracle/... ./test/...
MODULES := . $(patsubst %/go.mod,%,$(wildcard */go.mod */*/go.mod))

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## show the cache at work: brings its own database and Redis, under a minute
	go run ./cmd/mlcache demo

.PHONY: test
test: vet unit integration ## run every test, set-up included

.PHONY: vet
vet: ## run go vet over every module
	go vet -race $(UNIT) ./integration/...
	cd integration/orm && GOWORK=off go vet -race ./...

.PHONY: unit
unit: ## run the tests that need no server
	go test -race -timeout 30m $(UNIT)

.PHONY: integration
integration: ## run the tests over real PostgreSQL and Redis
	integration/run.sh

.PHONY: integration-all
integration-all: ## run also what takes longer: histories, ORMs, pgx's own tests
	integration/run.sh --all

.PHONY: bench
bench: ## measure the cache beside pgx, go-redis and others, side by side (minutes)
	go run ./bench

.PHONY: parity
parity: ## compare the optional interfaces with pgx's, on Go 1.26 and on Go 1.27
	integration/run.sh -v -run TestParity .
	GOTOOLCHAIN=go1.27.0 integration/run.sh -v -run TestParity .

.PHONY: fuzz
fuzz: ## look for a statement that PostgreSQL reads and sqlinfo misses, for ten minutes
	cd sqlinfo/oracle && go test -run '^$$' -fuzz . -fuzztime 10m .

.PHONY: torture
torture: ## break everything under 500,000 operations and kill 200 writers (about an hour)
	MLCACHE_TORTURE=500000 MLCACHE_TORTURE_KILLS=200 integration/run.sh -race=false -parallel 1 -timeout 150m -v -run 'TestHistory|TestKilledWriters' ./history

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
