# What a newcomer types: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
VENV := .venv
CACHE := .cache
RUNTIMES := $(CACHE)/runtimes
DATA_DIR ?= .lambent
export LAMBENT_RUNTIMES_DIR ?= $(CURDIR)/$(RUNTIMES)

FUZZ_SECONDS ?= 60
export SOAK_SECONDS ?= 120
export SOAK_COLD_STARTS ?= 10000
export CRASH_SECONDS ?= 600

.PHONY: help run test lint unit e2e fuzz bench soak crash fmt tools runtimes

help: ## List what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: tools ## Build, install runtimes, start the server
	$(CARGO) build --release --package lambent
	target/release/lambent runtime install
	target/release/lambent serve --data-dir $(DATA_DIR)

test: tools lint unit e2e ## Everything that has to hold

lint: ## Formatting, generated code, arrows, sizes, clippy
	$(CARGO) fmt --check
	$(CARGO) xtask codegen --check
	$(CARGO) xtask arrows
	$(CARGO) xtask tidy
	$(CARGO) xtask coverage --check
	$(CARGO) clippy --workspace --all-targets --quiet -- --deny warnings

unit: ## Tests of the crates
	$(CARGO) test --workspace --quiet

e2e: $(VENV)/installed ## The real binary with real clients, and its answers beside AWS's
	$(CARGO) build --package lambent
	target/debug/lambent runtime install
	tests/aws-cli-v2 $(CACHE)
	tests/aws-sdk-js $(CACHE)
	$(VENV)/bin/python -m pytest -q tests/e2e tests/conformance

fuzz: ## Look for inputs that break a parser, FUZZ_SECONDS for each (nightly)
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "nightly Rust is missing: rustup toolchain install nightly"; exit 1; }
	@$(CARGO) +nightly fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz"; exit 1; }
	set -e; for target in $$($(CARGO) +nightly fuzz list --fuzz-dir fuzz/fuzz_targets); do \
		mkdir -p $(CACHE)/fuzz/$$target; \
		$(CARGO) +nightly fuzz run --fuzz-dir fuzz/fuzz_targets $$target $(CACHE)/fuzz/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=25 -rss_limit_mb=2048; \
	done

bench: tools ## Times of invokes and starts, beside the floors
	$(CARGO) build --release --package lambent
	$(CARGO) rustc --release --package lambent-function --example echo -- -C target-feature=+crt-static
	target/release/lambent runtime install python3.12 nodejs20.x provided.al2023
	$(PYTHON) benches/bench.py target/release/lambent
	$(PYTHON) benches/scale.py target/release/lambent
	$(PYTHON) benches/control.py target/release/lambent
	$(PYTHON) benches/events.py target/release/lambent
	$(PYTHON) benches/queues.py target/release/lambent
	$(PYTHON) benches/objects.py target/release/lambent
	$(PYTHON) benches/rules.py target/release/lambent
	$(CARGO) run --quiet --release --package lambent-auth --example verification
	$(CARGO) run --quiet --release --package lambent-iam-policy --example evaluation

soak: $(VENV)/installed ## Everything at once for SOAK_SECONDS, then SOAK_COLD_STARTS; nothing may leak
	$(CARGO) build --release --package lambent
	target/release/lambent runtime install python3.11 python3.12
	LAMBENT_BINARY=$(CURDIR)/target/release/lambent $(VENV)/bin/python tests/e2e/soak.py

crash: $(VENV)/installed ## Kill the server at every edge and at random moments for CRASH_SECONDS; nothing acknowledged may be lost
	$(CARGO) build --package lambent
	target/debug/lambent runtime install python3.12
	$(VENV)/bin/python tests/e2e/crash.py

fmt: ## Format the code
	$(CARGO) fmt

$(VENV)/installed: tests/requirements.txt
	$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv does not work: install the package python3-venv"; exit 1; }
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	touch $@

tools:
	@need() { command -v $$1 >/dev/null || { echo "$$1 is missing: install $$2"; exit 1; }; }; \
	need $(CARGO) "Rust 1.95 or later (rustup)" && need cc "a C compiler (package gcc)" && \
	need $(PYTHON) "Python 3 (package python3)" && need npm "npm (package npm)" && need tar "the package tar"
