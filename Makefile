# Everything here needs Go alone, except race, which needs a C compiler too.

GO ?= go
T ?= 5m
export CGO_ENABLED ?= 0

SYSTEMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# What starts goroutines, or is called from several.
CONCURRENT = . ./engine ./modules/file ./modules/host ./internal/search ./internal/render ./internal/querytest ./internal/spec ./internal/cli

.PHONY: help build test race spec fuzz faults bench lint docs cross licences release

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## static binaries for this machine, in bin/
	mkdir -p bin
	$(GO) build -trimpath -o bin/ ./cmd/...

test: ## all tests
	$(GO) test ./...

race: ## the tests of what runs concurrently, under the race detector
	CGO_ENABLED=1 $(GO) test -race $(CONCURRENT)

spec: ## the behaviour scripts; UPDATE=1 rewrites what they expect
	$(GO) test . ./internal/spec $(if $(UPDATE),-update)

fuzz: ## every fuzz target in turn, for T=5m each
	@.ci/fuzz $(T)

faults: ## a fleet of processes under faults for T=30m: SEED, RELAYS, AGENTS, PLANS, EVERY
	$(GO) test ./internal/faults -run TestFleetUnderFaults -v -count 1 -timeout 24h -for $(T) \
		-seed $(or $(SEED),0) -relays $(or $(RELAYS),3) -agents $(or $(AGENTS),300) -plans $(or $(PLANS),200) \
		-every $(or $(EVERY),400ms)

bench: ## benchmarks of the packages; those against peers are in bench/README.md
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

lint: ## format, vet, and the rules of the house
	@test -z "$$(gofmt -l .)" || { echo "not formatted (gofmt -w):"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) test ./internal/house

docs: ## print the generated pages, and try every example of the docs
	$(GO) run ./internal/docs/gen
	$(GO) test ./internal/docs

cross: ## build and vet everything for every system
	@for s in $(SYSTEMS); do \
		echo "$$s"; \
		GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) build ./... && \
		GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) vet ./... && \
		(cd docs/examples/module && GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) vet ./...) || exit 1; \
	done

licences: ## the page of what is linked and under which terms
	$(GO) -C packaging run . licences -write

release: ## binaries, packages, lists and checksums of VERSION=1.2.0, in dist/
	$(GO) -C packaging run . release -version $(VERSION) -out ../dist
