# Everything a contributor runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# One selection of packages everywhere: another one would unify features differently and compile dependencies again.
WORKSPACE := --workspace --locked
SUITES := $(basename $(notdir $(wildcard tests/suites/tests/*.rs))) e2e
DENY := .tools/cargo-deny/bin/cargo-deny

.PHONY: help
help: ## Lists the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: dev
dev: ## Runs the gateway with everything built in, and prints where to look
	$(CARGO) run --locked --package events-gateway --bin events-gateway -- dev

.PHONY: test
test: tools build ## Installs what is missing, then runs every test: units, contracts on real servers, end to end
	$(CARGO) test $(WORKSPACE)

.PHONY: unit
unit: ## Runs the tests beside the code
	$(CARGO) test $(WORKSPACE) --lib --bins

.PHONY: e2e
e2e: tools build ## Runs the end-to-end suites (e2e, on Kubernetes, needs root); one of them with SUITES=routing
	$(CARGO) test $(WORKSPACE) $(addprefix --test ,$(SUITES)) -- --nocapture

.PHONY: soak
soak: tools build ## Runs faults in random order for SOAK_MINUTES (default 60); SEED=… repeats a run
	EVENTS_GATEWAY_SOAK_MINUTES=$(or $(SOAK_MINUTES),60) EVENTS_GATEWAY_SEED=$(SEED) \
	  $(CARGO) test $(WORKSPACE) --test faults -- --nocapture

.PHONY: scale
scale: tools ## Measures an operator with SCALE gateways (default 500) on simulated nodes
	$(CARGO) build --release $(WORKSPACE) --bins
	EVENTS_GATEWAY_SCALE=$(or $(SCALE),500) $(CARGO) test --release $(WORKSPACE) --test scale -- --nocapture

.PHONY: bench
bench: tools ## Measures the gateway beside a bare server; results in target/bench
	$(CARGO) build --release --locked --package events-gateway --package events-gateway-load
	$(CARGO) run --release --locked --package events-gateway-load -- $(BENCH)

.PHONY: lint
lint: lint-code lint-deps ## Checks format, clippy, documentation and dependencies; warnings are errors

.PHONY: lint-code
lint-code: ## Checks format, clippy and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(WORKSPACE) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(WORKSPACE) --no-deps --document-private-items

.PHONY: lint-deps
lint-deps: tools ## Checks licences, duplicates and sources of dependencies, and advisories where they can be fetched
	$(DENY) --locked check licenses bans sources
	@if [[ -n "$${EVENTS_GATEWAY_OFFLINE:-}$${CI:-}" ]]; then \
	  echo "advisories: not checked (the database is fetched from GitHub; run make advisories where that is reachable)"; \
	else $(MAKE) --no-print-directory advisories; fi

.PHONY: advisories
advisories: tools ## Checks dependencies against the RustSec database, which is fetched
	$(DENY) --locked check advisories

.PHONY: generate
generate: ## Writes every generated file again; CI fails when one differs
	$(CARGO) run --locked --package events-gateway --bin events-gateway -- generate
	$(CARGO) run --locked --package events-gateway-operator -- crd --into crds
	$(CARGO) run --locked --package events-gateway-operator -- generate
	EVENTS_GATEWAY_WRITE_GOLDEN=1 $(CARGO) test --quiet $(WORKSPACE) --test golden
	charts/generate

.PHONY: tools
tools: ## Installs the servers and programs that tests and checks run
	tests/tools/install

.PHONY: build
build: ## Builds the binaries and all tests
	$(CARGO) build $(WORKSPACE) --all-targets

.PHONY: clean
clean: ## Removes what was built; .tools stays
	$(CARGO) clean
