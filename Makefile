# One plain command each; `make help` prints them. Nothing here needs more than Python 3.11+, make and PyPI,
# but for `make test`, whose integration tests want Java and Maven (or Docker) to have Apache Kafka, and whose browser
# tests want Chromium.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# `make lock UPGRADE=--upgrade` moves to the newest versions; without it, only what pyproject.toml asks for changes.
UPGRADE ?=
# `make chaos`: how often each point is struck, what the plant and the kills follow from, and the rows that take minutes.
ROUNDS ?= 20
SLOW ?=
# Two files at a time, each with a broker or browser of its own: tests mostly wait. More would starve each other's clients.
ON_TWO_CORES := -n 2 --dist loadfile
UV_COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
              --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) --quiet

# The invariants of the core are asserts: -O would switch them off.
unexport PYTHONOPTIMIZE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env demo test check audit bench chaos simulate fuzz lock kafka-jars clean

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(VENV)/.env-stamp  ## make .venv with everything that Foresite needs to run

demo: env  ## run the demo: a simulated factory and its risk cards
	$(BIN)/foresite demo

test: $(VENV)/.dev-stamp  ## run all tests, the fast ones first
	@if command -v mvn java >/dev/null; then $(MAKE) --no-print-directory kafka-jars; fi
	$(BIN)/python -m pytest $(ON_TWO_CORES) tests --ignore=tests/integration --ignore=tests/browser
	$(BIN)/python -m pytest $(ON_TWO_CORES) tests/integration
	$(BIN)/python -m pytest $(ON_TWO_CORES) tests/browser

check: $(VENV)/.dev-stamp  ## check format, lint, types and manifests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict deploy

bench: $(VENV)/.dev-stamp  ## run the benchmarks and print their numbers
	$(BIN)/python -m bench

audit: $(VENV)/.dev-stamp  ## ask for known vulnerabilities of what is locked; exit 3 inside: nobody could be asked
	$(BIN)/python deploy/audit.py

chaos: $(VENV)/.dev-stamp  ## kill every role at every fault point: make chaos ROUNDS=20 SEED=1 [SLOW=1]
	@$(MAKE) --no-print-directory kafka-jars
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(or $(SEED),1) $(if $(SLOW),--slow)

simulate: $(VENV)/.dev-stamp  ## run the commit under faults: SEEDS=10000 many seeds, SEED=4711 one again
	$(BIN)/python -m tests.commit_simulator $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1))

fuzz: $(VENV)/.dev-stamp  ## send mutated records through ingest and fold: RECORDS=1000000 SEED=1
	$(BIN)/python -m tests.fuzzing --records $(or $(RECORDS),100000) --seed $(or $(SEED),1)

lock: $(VENV)/.dev-stamp  ## write both lock files again from pyproject.toml
	$(UV_COMPILE) --extra mqtt --group build --output-file requirements.lock
	$(UV_COMPILE) --extra mqtt --group build --group dev --constraint requirements.lock --output-file requirements-dev.lock

kafka-jars: env  ## fetch Apache Kafka's jars, for the integration tests
	$(BIN)/python -m streams.local_kafka

clean:  ## remove what make and the tools made
	rm -rf $(VENV) .cache build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.env-stamp: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Foresite needs Python 3.11 or newer: make env PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/.dev-stamp: requirements-dev.lock $(VENV)/.env-stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
