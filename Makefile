PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/installed
TESTS ?= tests/unit
WORKERS ?= 2
MUTANTS ?= podpass.jose.* podpass.serviceaccount.*

.PHONY: up down test check compatibility unit e2e bench mutation fix clean

up: $(STAMP)  ## cluster of 3 nodes, and a pod with its token
	$(BIN)/podpass up --detach
	$(BIN)/podpass demo

down: $(STAMP)  ## stop the cluster
	$(BIN)/podpass down

test: check unit e2e  ## everything

check: $(STAMP)  ## format, lint, types, layers, the page of rules
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.compatibility check

compatibility: $(STAMP)  ## docs/compatibility.md, from the tests
	$(BIN)/python -m tests.compatibility

unit: $(STAMP)  ## no network, no root
	$(BIN)/pytest -q -n $(WORKERS) $(TESTS)

e2e: $(STAMP)  ## real kubectl, real processes
	$(BIN)/pytest -q tests/e2e

bench: $(STAMP)  ## the budgets, measured
	PYTHONPATH=tests/e2e $(BIN)/python -m benchmarks.run

mutation: $(STAMP)  ## what changed code would go unnoticed (docs/mutation.md)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[mutation]'
	$(BIN)/mutmut run --max-children $(WORKERS) $(foreach one,$(MUTANTS),'$(one)')
	$(BIN)/mutmut results

fix: $(STAMP)  ## format, and mend what can be mended
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

clean:
	rm -rf .venv build dist mutants .mypy_cache .ruff_cache .pytest_cache

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "podpass needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)
