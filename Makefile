# Everything a contributor runs. `make help` lists it; each target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Any interpreter from 3.11 on: `make test PYTHON=python3.13`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Passed on to the command a target runs: `make demo ARGS=--once`, `make test ARGS='-k cache'`.
ARGS ?=

# One after the other: `make test ARGS='-n 0 --pdb'`. One more at once than there are cores, since
# much of what tests do is waiting.
# Bytecode is kept, whatever the shell says, for hundreds of processes would each compile it anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(shell expr $$(nproc) + 1) --maxprocesses 4 --dist worksteal

RUN_STAMP := $(VENV)/.stamp-run
DEV_STAMP := $(VENV)/.stamp-dev
# Of a run that did not get to its end (status 1: it did) nobody knows what failed in the rest.
LAST_FAILED := .pytest_cache/v/cache/lastfailed

.PHONY: help demo test test-all test-again check gate format bench bench-peers clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(RUN_STAMP) ## the gateway and a simulated provider at work; stays up (ARGS=--once ends by itself)
	@$(BIN)/headrace demo $(ARGS)

test: $(DEV_STAMP) ## every test but the heavy ones
	@$(PYTEST) -m "not heavy" --hypothesis-profile quick $(ARGS)

test-all: $(DEV_STAMP) ## every test, one after the other
	@$(PYTEST) -n 0 $(ARGS) || { status=$$?; [ $$status = 1 ] || rm -f $(LAST_FAILED); exit $$status; }

test-again: $(DEV_STAMP) ## what failed last, once more and with nothing else around it
	@$(PYTEST) -n 0 --last-failed --last-failed-no-failures none $(ARGS)

check: $(DEV_STAMP) ## lint, formatting, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# What the gate leaves open (status 3) is no failure: only an interval beyond its bar is one.
gate: $(DEV_STAMP) ## this version against benchmarks/budgets.yaml, in about a minute
	@PYTHONDONTWRITEBYTECODE= $(BIN)/headrace bench gate --budgets benchmarks/budgets.yaml $(ARGS) || [ $$? -eq 3 ]

format: $(DEV_STAMP) ## put the code into its one format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(DEV_STAMP) ## CPU per request beside nginx; prints a table, writes JSON
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-peers: $(DEV_STAMP) ## the same for other gateways, installed outside the repository
	@$(BIN)/python -m benchmarks.peers $(ARGS)

clean: ## remove what the other targets made, the environment included
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,EXTRAS): an environment with this checkout in it, editable.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Headrace needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
		echo "Name another interpreter: make $(or $(MAKECMDGOALS),help) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) ..."
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
		uv pip install --quiet --python $(BIN)/python -e '.[$(1)]' -c constraints.txt; \
	else \
		$(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(1)]' -c constraints.txt; \
	fi
endef

$(RUN_STAMP): pyproject.toml constraints.txt
	$(call install,all)
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt
	$(call install,all$(comma)dev)
	@touch $(RUN_STAMP) $@

comma := ,
