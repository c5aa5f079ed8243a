# Everything a newcomer or a reviewer runs.  `make help` lists it.

# The interpreter that creates .venv: the first one found that is new enough.
# Override it with `make PYTHON=/path/to/python demo`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && exit; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Extra arguments for the program behind a target: `make demo ARGS="--seed 7"`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-live dashboard explore test test-all test-web screenshots lint format types lock bench mutation chaos clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.stamp-demo ## Trade a recorded market through the ledger and verify it
	@$(BIN)/order-ledger demo $(ARGS)

demo-live: $(VENV)/.stamp-core ## Trade at a faulty local exchange, kill the ledger, compare the books
	@$(BIN)/order-ledger demo --live-sim $(ARGS)

# Where the service of `make dashboard` finds its ledger: the demo's, made if missing.
DASHBOARD_DATA ?= data/demo

dashboard: $(VENV)/.stamp-core ## Serve API and dashboard on the demo's ledger, and open a browser
	@test -e $(DASHBOARD_DATA)/ledger.db || $(BIN)/order-ledger demo --quiet
	@$(BIN)/order-ledger run --data $(DASHBOARD_DATA) --open $(ARGS)

explore: $(VENV)/.stamp-explore ## Add a SQL explorer of the read models to the dashboard, under /explore

# One process per core; the tests of a module stay together, because they share servers.
# `make test SIDE_BY_SIDE=` runs them one after the other.
SIDE_BY_SIDE ?= -n auto --dist loadscope

test: $(VENV)/.stamp-dev ## Run every test that is not marked slow
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE) $(ARGS)

test-all: $(VENV)/.stamp-dev ## Run every test, the slow ones included
	$(BIN)/python -m pytest $(ARGS)

test-web: $(VENV)-web/.stamp ## Run the browser tests and the API fuzzer, in an environment of their own
	$(VENV)-web/bin/python -m pytest tests/browser tests/fuzz $(ARGS)

screenshots: $(VENV)-web/.stamp ## Take a picture of every page of the dashboard, into docs/images
	$(VENV)-web/bin/python -m tests.tools.screenshots $(ARGS)

lint: $(VENV)/.stamp-dev ## Check the rules and the formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/.stamp-dev ## Mend what can be mended by machine
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.stamp-dev ## Check the types
	$(BIN)/mypy

bench: $(VENV)/.stamp-core ## Measure the ledger against the least that does the same work
	@$(BIN)/order-ledger bench $(ARGS)

mutation: $(VENV)/.stamp-dev ## Mutate decide, order, risk, slippage; at least 90 % must be noticed
	$(BIN)/python tests/tools/mutation.py $(ARGS)

chaos: $(VENV)/.stamp-dev ## Kill ledgers on a faulty exchange, compare the books (CHAOS_SEEDS=100: more)
	$(BIN)/python -m pytest -s tests/reliability/chaos $(ARGS)

lock: $(VENV)/.stamp-lock ## Write requirements/*.txt anew (UPGRADE=1 takes newer versions)
	BIN=$(VENV)/lock/bin UPGRADE=$(UPGRADE) sh requirements/lock.sh

clean: ## Remove what the targets above have made, .venv and data/ included
	rm -rf $(VENV) $(VENV)-web data dist mutants htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: each set is installed once, and again when its file changes -----------

# The interpreter is asked by name so that an old one is refused with a sentence.
$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "order-ledger needs Python 3.11 or newer, but '$(PYTHON)' is" \
		"$$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
		echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "Could not create $(VENV); on Debian and Ubuntu, install python3-venv." >&2; \
		exit 1; }
	@touch $@

# The project itself is linked in place, without dependencies: the locked set has them.
$(VENV)/.stamp-demo: requirements/demo.txt pyproject.toml | $(VENV)/.stamp-venv
	@echo "Installing what the demo needs (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements/demo.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.stamp-core: requirements/core.txt $(VENV)/.stamp-demo
	@echo "Installing the run-time set (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements/core.txt
	@touch $@

$(VENV)/.stamp-explore: requirements/explore.txt $(VENV)/.stamp-core
	@echo "Installing the SQL explorer (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements/explore.txt
	@touch $@
	@echo "Installed; a service that is started now serves it under /explore."

$(VENV)/.stamp-dev: requirements/dev.txt $(VENV)/.stamp-demo
	@echo "Installing the development set (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Apart from .venv: both tools slow every start of pytest by seconds.
$(VENV)-web/.stamp: requirements/web.txt pyproject.toml
	@echo "Installing what browser tests and the fuzzer need (once) ..." >&2
	@$(PYTHON) -m venv $(VENV)-web
	@$(VENV)-web/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/web.txt
	@$(VENV)-web/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

# The locker lives in a folder of its own: the project never imports it.
$(VENV)/.stamp-lock: | $(VENV)/.stamp-venv
	@$(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip --disable-pip-version-check --quiet install 'uv>=0.9'
	@touch $@
