# Needs only Python 3.11 or later and make. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint .ci/constraints.txt
SOURCES := neuralterm tests scripts docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check format format-check lint types imports docs docs-check bench build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## install, and show the main jobs without key or network
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo

test: $(VENV)/.dev ## install what tests need, and run them with coverage
	$(BIN)/pytest -n 2 --cov --cov-report=term $(ARGS)

test-long: $(VENV)/.dev ## run the tests that take minutes: many processes, one wallet
	$(BIN)/pytest -m slow $(ARGS)

check: format-check lint types imports docs-check test ## everything CI checks

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

format-check: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)

lint: $(VENV)/.dev ## look for faults
	$(BIN)/ruff check $(SOURCES)

types: $(VENV)/.dev ## check the types
	$(BIN)/mypy

imports: $(VENV)/.dev ## check who imports whom
	$(BIN)/lint-imports --config setup.cfg

docs: $(VENV)/.dev ## write the command reference, the manual pages, and the page about faults
	$(BIN)/python scripts/write_reference
	$(BIN)/python scripts/write_man
	$(BIN)/python scripts/write_faults

docs-check: $(VENV)/.dev
	$(BIN)/python scripts/write_reference --check
	$(BIN)/python scripts/write_man --check
	$(BIN)/python scripts/write_faults --check

bench: $(VENV)/.dev ## measure speed and memory against what docs/performance.md promises
	$(BIN)/python scripts/bench $(ARGS)

build: $(VENV)/.dev ## build wheel and source archive into dist/
	$(BIN)/python -m build

clean: ## remove what was made
	rm -rf $(VENV) build dist *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find neuralterm tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "neuralterm needs Python 3.11 or later (PYTHON=... chooses one)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.runtime
