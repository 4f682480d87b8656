# Needs only Python 3.11 or later and make. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint .ci/constraints.txt
SOURCES := neuralterm tests scripts docs
# Everything is read anew, because a page that did not change would keep quiet about a link that no longer leads anywhere. Nothing
# may be loaded from elsewhere: the last command lists what would be, and fails then.
SITE = rm -rf build/site && $(BIN)/sphinx-build -q -W --keep-going -E -d build/doctrees -c docs . build/site \
	&& ! grep -rnoE '<(link|script|img)[^>]*="(https?:)?//[^"]*"|(@import|url\()[^;)]*//[^;)]*' --include='*.html' --include='*.css' build/site

.DEFAULT_GOAL := help
.PHONY: help demo test test-long browser-check check format format-check lint types imports docs docs-check bench build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## install, and show the main jobs without key or network
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo

test: $(VENV)/.dev ## install what tests need, and run them with coverage
	$(BIN)/pytest -n 2 --cov --cov-report=term $(ARGS)

test-long: $(VENV)/.dev ## run the tests that take minutes: many processes with one wallet, many examples of each property
	$(BIN)/pytest -m "slow or hypothesis" --hypothesis-profile long --timeout 1200 $(ARGS)

browser-check: $(VENV)/.dev ## open the page of `cost --html` in a real browser (needs Chromium)
	$(BIN)/python scripts/browser_check

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

docs: $(VENV)/.docs ## write the pages that are made from code, and build the site into build/site/
	$(BIN)/python scripts/write_reference
	$(BIN)/python scripts/write_man
	$(BIN)/python scripts/write_faults
	$(SITE)

docs-check: $(VENV)/.docs
	$(BIN)/python scripts/write_reference --check
	$(BIN)/python scripts/write_man --check
	$(BIN)/python scripts/write_faults --check
	$(SITE)

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

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) --editable '.[dev,docs]'
	@touch $@
