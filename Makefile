# `make help` lists the targets. On a fresh Debian 12 with Go, make and root
# nothing has to be installed by hand.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
# COVER=1 makes `make test` write a coverage profile in the same run.
COVER ?=
PROFILE := coverage/profile.txt

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Install the Debian packages that are missing (needs root)
	@scripts/deps.sh

# For targets that can do without: it says in a line what is missing and goes on.
.PHONY: deps-if-possible
deps-if-possible:
	@scripts/deps.sh || echo "going on without; what needs the missing packages is skipped or says so"

.PHONY: build
build: ## Build bin/css-sync and bin/css-lab
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/ ./cmd/...

.PHONY: demo
demo: deps-if-possible build ## Show the whole system at work on this machine
	bin/css-lab demo

.PHONY: test
test: deps-if-possible ## Run all tests with the race detector (COVER=1: with coverage)
	@COVER="$(COVER)" PROFILE="$(PROFILE)" GO="$(GO)" scripts/test.sh

.PHONY: test-short
test-short: deps-if-possible ## Run the tests that are quick, for while one works
	@SHORT=1 GO="$(GO)" scripts/test.sh

.PHONY: e2e
e2e: deps-if-possible ## Run only the scenarios over real processes
	$(GO) test -race -count=1 -timeout 10m ./e2e/...

.PHONY: bench
bench: deps-if-possible build ## Measure the figures that docs quote
	bin/css-lab bench

.PHONY: cover
cover: ## Print the coverage of each package (runs the tests unless COVER=1 make test did)
	@test -s "$(PROFILE)" || $(MAKE) --no-print-directory test COVER=1
	@scripts/cover.sh "$(PROFILE)"

.PHONY: verify
verify: ## Check format, vet, staticcheck, go.mod, scripts, and lengths of files and lines
	@GO="$(GO)" scripts/verify.sh

.PHONY: fix
fix: ## Repair what verify finds and a program can repair
	gofmt -w .
	$(GO) mod tidy

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s each)
	@FUZZTIME="$(FUZZTIME)" GO="$(GO)" scripts/fuzz.sh

.PHONY: soak
soak: deps-if-possible ## Run the long forms of the scenarios (SOAK_TIME=1h for the views, and for both sides)
	SOAK=1 $(GO) test -count=1 -timeout 3h -run Soak -v ./e2e/... ./deletion/... ./mirror ./mirror/inbox
	SOAK=1 $(GO) test -count=1 -timeout 3h ./cssetcd/... ./internal/kv/... ./inventory/... # all, with more steps

# Packages, and one of how many mutants: all of them take hours.
MUTATE ?= internal/kv internal/leader deletion/internal/protocol deletion deletion/coordinator
EVERY ?= 1

.PHONY: mutants
mutants: ## Change lines of MUTATE, one at a time, and print what no test notices (EVERY=20: a sample)
	nice $(GO) run ./internal/mutants -go $(GO) -every $(EVERY) $(MUTANTS_FLAGS) $(MUTATE)

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf bin coverage
