# Tollgate's commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CARGO ?= cargo

.PHONY: help run test demo check bench chaos fmt lint docs audit manifests

help: ## List every target with one line
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: ## Build and start everything on embedded stores; prints the URLs, Ctrl-C stops
	$(CARGO) build --profile local --package tests --bin stack
	exec target/local/stack

test: ## All tests, end to end on SQLite + memory and on PostgreSQL + Redis
	tests/ensure-nextest.sh
	tests/ensure-backends.sh
	tests/ensure-oidc-client.sh
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace $(if $(CI),--profile ci)
	$(CARGO) test --workspace --doc --quiet

demo: ## A narrated journey in plain curl against a running stack
	tests/demo.sh

check: fmt-check lint docs audit manifests ## What CI runs before the tests: format, lints, docs, dependencies, layout, manifests
	tests/ensure-nextest.sh
	$(CARGO) nextest run --package tests --test tidy

fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check: ## Whether the code is formatted (part of check)
	$(CARGO) fmt --all --check

lint: ## Clippy, warnings are errors, also of users-service without passkeys (part of check)
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --package users-service --no-default-features -- -D warnings

docs: ## The documentation of all crates (part of check)
	RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' $(CARGO) doc --workspace --no-deps --document-private-items --quiet

audit: ## Advisories, licences and bans of all dependencies (part of check)
	tests/audit.sh

manifests: ## Kubernetes manifests, Compose file and Dockerfile against their validators (part of check)
	deploy/validate.sh

bench: ## Performance side by side with Envoy, nginx, HAProxy and pgbench, as ratios in one run (ONLY=gateway QUICK=1; a large ledger by ONLY=ledger alone)
	$(CARGO) build --release --workspace --bin gateway --bin users-service --bin accounts-service --bin bench
	target/release/bench $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick) $(if $(TRANSFERS),--transfers $(TRANSFERS))

chaos: ## Everything beneath a loaded ledger is killed, stopped, cut and filled; every answer is judged (MINUTES=5 SEED=… WITHOUT=fill-disk)
	tests/ensure-backends.sh
	$(CARGO) build --profile local --workspace --bins
	target/local/chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(WITHOUT),--without $(WITHOUT))
