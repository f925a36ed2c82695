# The face of the project: `make help` lists the verbs. Each target sets itself up.
# Needed beforehand: Python 3.11 to 3.13 with pip, and make. Nothing is installed outside of this folder,
# except Debian's docker-registry and skopeo by `make test` where it runs as root.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
export PYTHON
UV_VERSION := 0.13.9
UV := .ci/uv
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
STAMP := $(VENV)/.installed

# Programs of other people that the suite tests against; Debian's packages have the same names.
PROGRAMS := docker-registry skopeo npm git-lfs
# Quick ones first; then those that start servers. Files share nothing, so each worker takes whole files.
QUICK_TESTS := $(wildcard tests/unit tests/contract tests/interop tests/architecture tests/docs)
SERVER_TESTS := $(wildcard tests/integration tests/e2e)

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up -----------------------------------------------------------------------------------------------

# `--target` works where the system's Python is externally managed (PEP 668) as well.
.tools/uv-$(UV_VERSION).dist-info/METADATA:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13: name one, as in 'make PYTHON=python3.11 setup'" >&2; exit 1; }
	@rm -rf .tools
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools "uv==$(UV_VERSION)"
	@touch $@

$(STAMP): requirements.lock pyproject.toml .tools/uv-$(UV_VERSION).dist-info/METADATA
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Create .venv from requirements.lock

.PHONY: lock
lock: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Resolve requirements.lock again
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock

.PHONY: programs
programs: # Install what the suite tests against where we may, else name it; in CI it must be there
	@missing() { for name in $(PROGRAMS); do command -v $$name >/dev/null || echo $$name; done; }; \
	if [ -n "$$(missing)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$(missing); \
	fi; \
	if [ -n "$$(missing)" ]; then \
		echo "Not installed:" $$(missing) "- tests that need them skip; on Debian: sudo apt-get install" $$(missing) >&2; \
		test -z "$$CI"; \
	fi

# --- Check ------------------------------------------------------------------------------------------------

.PHONY: test
test: $(STAMP) programs ## Run the whole suite
	@status=0; \
	$(if $(QUICK_TESTS),$(PYTEST) -n 2 --dist loadfile $(QUICK_TESTS) || status=1;) \
	$(if $(SERVER_TESTS),$(PYTEST) -n 2 --dist loadfile $(SERVER_TESTS) || status=1;) \
	exit $$status

.PHONY: test-unit
test-unit: $(STAMP) ## Run what needs no network and no other program
	@$(PYTEST) $(wildcard tests/unit tests/architecture)

# Airflow 3.1 with the lowest releases of what else is asked for directly, in a folder that is gone afterwards.
.PHONY: test-lowest
test-lowest: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Run Airflow's unit tests on the lowest releases supported
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(UV) venv --quiet --python $(PYTHON) "$$folder/venv" && \
	$(UV) pip install --quiet --python "$$folder/venv/bin/python" --resolution lowest-direct --editable '.[airflow,signing]' \
		'apache-airflow<3.2' 'hypothesis>=6.100' 'pytest>=8.2' 'pytest-timeout>=2.3' 'jsonschema>=4.21' && \
	$(UV) pip list --quiet --python "$$folder/venv/bin/python" | grep -E '^apache-airflow' && \
	"$$folder/venv/bin/python" -m pytest -q -p no:cacheprovider tests/unit/airflow_kitops

.PHONY: lint
lint: $(STAMP) ## Check format, style, layers and types
	@status=0; \
	for check in "ruff format --check" "ruff check" "lint-imports" "mypy"; do \
		echo "== $$check"; $(BIN)/$$check || status=1; \
	done; \
	exit $$status

.PHONY: format
format: $(STAMP) ## Rewrite to the project's format
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format

# --- Show -------------------------------------------------------------------------------------------------

.PHONY: demo demo-airflow demo-dagster
demo: $(STAMP) ## Run the story from run to verified deployment, on folders alone
	@$(BIN)/python examples/demo.py

demo-airflow: $(STAMP) ## Run the same story as an Airflow DAG
	@$(BIN)/python examples/airflow/run.py

demo-dagster: $(STAMP) ## Run the same story as Dagster assets
	@$(BIN)/python examples/dagster/run.py demo/dagster

.PHONY: bench
bench: $(STAMP) programs ## Measure time, memory and disk
	@$(BIN)/python benchmarks/run.py

# --- Ship -------------------------------------------------------------------------------------------------

.PHONY: docs
docs: $(STAMP) ## Build the documentation into site/; a broken link fails
	@$(BIN)/python tools/cli_page.py > .venv/cli.md && mv .venv/cli.md docs/reference/cli.md
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet # ADR 9 says what comes after it
	@echo "site/index.html"

.PHONY: dist
dist: $(STAMP) ## Build the wheel and the source distribution into dist/
	@rm -rf dist
	@$(UV) build --quiet --python $(BIN)/python --out-dir dist .
	@ls dist

.PHONY: clean
clean: ## Remove everything that can be made again
	@rm -rf $(VENV) .tools dist site demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
