# The face of the project: `make help` lists the verbs. Each target sets itself up.
# Needed beforehand: Python 3.11 to 3.14 with pip, and make. Nothing is installed outside of this folder,
# except Debian's docker-registry, redis-server and what else PROGRAMS names by `make test` where it runs as root.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
export PYTHON
UV_VERSION := 0.13.9
CYCLONEDX_VERSION := 7.5.0
ATHERIS_VERSION := 3.0.0
UV := .ci/uv
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Two workers take whole files, in the order of tests/conftest.py; pytest-xdist's own order begins with those of most tests.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder
# One more than cores: who waits for a server half of the time leaves a core to another.
IN_THREE := -n 3 --dist loadfile --no-loadscope-reorder
STAMP := $(VENV)/.installed

# Programs of other people that the suite tests against; Debian's packages have the same names, without "-util".
# PostgreSQL's server is one as well, and no command of it is in the path.
PROGRAMS := docker-registry skopeo npm git-lfs softhsm2-util redis-server chromium
# Quick ones first; then those that start servers.
QUICK_TESTS := $(wildcard tests/unit tests/scenario tests/contract tests/interop tests/architecture tests/docs tests/fuzz)
SERVER_TESTS := $(wildcard tests/integration)
# In a process of their own: Airflow reads its home when it is first imported, and keeps it.
E2E_TESTS := $(wildcard tests/e2e)

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up -----------------------------------------------------------------------------------------------

# `--target` works where the system's Python is externally managed (PEP 668) as well.
.tools/uv-$(UV_VERSION).dist-info/METADATA:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "$(PYTHON) is not Python 3.11 to 3.14: name one, as in 'make PYTHON=python3.11 setup'" >&2; exit 1; }
	@rm -rf .tools
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools "uv==$(UV_VERSION)"
	@touch $@

$(STAMP): requirements.lock pyproject.toml .tools/uv-$(UV_VERSION).dist-info/METADATA
	@echo "setting up $(VENV) from requirements.lock; the first time that takes half a minute and more" >&2
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Create .venv from requirements.lock

.PHONY: lock
lock: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Resolve requirements.lock again
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--python-version 3.11 --extra all --group dev pyproject.toml -o requirements.lock

.PHONY: programs
programs: # Install what the suite tests against where we may, else name it; in CI it must be there
	@missing() { for name in $(PROGRAMS); do command -v $$name >/dev/null || echo $$name; done; \
		ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql; }; \
	if [ -n "$$(missing)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$(missing | sed 's/-util$$//'); \
	fi; \
	if [ -n "$$(missing)" ]; then \
		echo "Not installed:" $$(missing) "- tests that need them skip; on Debian: sudo apt-get install" $$(missing) >&2; \
		test -z "$$CI"; \
	fi

# --- Check ------------------------------------------------------------------------------------------------

.PHONY: test
test: $(STAMP) programs ## Run the whole suite
	@status=0; \
	$(if $(QUICK_TESTS),$(PYTEST) $(IN_TWO) $(QUICK_TESTS) || status=1;) \
	$(if $(SERVER_TESTS),$(PYTEST) $(IN_THREE) $(SERVER_TESTS) || status=1;) \
	$(if $(E2E_TESTS),$(PYTEST) $(IN_THREE) $(E2E_TESTS) || status=1;) \
	exit $$status

# The order is printed at the top of each run: `pytest --random-order=SEED` repeats it.
.PHONY: test-random
test-random: $(STAMP) programs ## Run the suite in three random orders, one after the other
	@status=0; \
	for seed in $${SEEDS:-$$RANDOM $$RANDOM $$RANDOM}; do \
		$(PYTEST) $(IN_TWO) --random-order=$$seed $(QUICK_TESTS) $(SERVER_TESTS) || status=1; \
		$(PYTEST) $(IN_THREE) --random-order=$$seed $(E2E_TESTS) || status=1; \
	done; \
	exit $$status

# Faults come last, for MINUTES: the page of docs/reference that they write says what became of the verbs.
.PHONY: soak
soak: $(STAMP) programs ## Try every case where a sample suffices otherwise, then faults for a while
	@status=0; \
	$(PYTEST) $(IN_TWO) --soak -m "soak or sampled" $(QUICK_TESTS) $(SERVER_TESTS) || status=1; \
	$(PYTEST) $(IN_THREE) --soak -m soak $(E2E_TESTS) || status=1; \
	$(BIN)/python tools/reliability.py --minutes $${MINUTES:-20} || status=1; \
	exit $$status

.PHONY: night
night: ## Run all that `make test` leaves out: soak, three random orders, all environments
	@status=0; \
	for suite in soak test-random test-extras test-lowest; do $(MAKE) --no-print-directory $$suite || status=1; done; \
	exit $$status

# Not in the lock: atheris has wheels for some Pythons only. `make fuzz MINUTES=60 FUZZ="tar kitfile"` chooses; CI runs
# the kept inputs, tests/fuzz.
FUZZ_VENV := .tools/fuzz-environment
.PHONY: fuzz
fuzz: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Invent hostile files for what reads them, beginning with tests/fuzz/corpus
	@test -x $(FUZZ_VENV)/bin/python || $(UV) venv --quiet --python $(PYTHON) $(FUZZ_VENV)
	@$(UV) pip install --quiet --python $(FUZZ_VENV)/bin/python --only-binary atheris atheris==$(ATHERIS_VERSION) || { \
		echo "no wheel of atheris $(ATHERIS_VERSION) for this Python and machine: nothing was run; try PYTHON=python3.11" >&2; \
		exit 1; }
	@$(UV) pip install --quiet --python $(FUZZ_VENV)/bin/python --constraint requirements.lock --editable '.[signing]'
	@$(FUZZ_VENV)/bin/python tools/fuzz.py --minutes $${MINUTES:-10} $(FUZZ)

.PHONY: test-unit
test-unit: $(STAMP) ## Run what needs no network and no other program
	@$(PYTEST) $(IN_TWO) $(wildcard tests/unit tests/architecture)

# In environments of their own, which are gone afterwards; `make test-extras ENVIRONMENTS="none s3"` runs some of them.
ENVIRONMENTS ?= none signing catalog kms timestamps sigstore hsm s3 scan openlineage huggingface mlflow dagster airflow
.PHONY: test-extras test-lowest
test-extras: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Run the unit tests with no extra, and with each alone
	@.ci/extras $(ENVIRONMENTS)

test-lowest: .tools/uv-$(UV_VERSION).dist-info/METADATA ## Run the unit tests on the lowest releases supported
	@.ci/extras lowest lowest-mlflow lowest-dagster lowest-airflow

# Not in the lock: it is put beside the environment, and nothing else needs it. Only lines that are new against BASE count.
COVERAGE_VERSION := 7.16.1
COVERED ?= $(wildcard tests/unit tests/scenario)
BASE ?= origin/main
.PHONY: coverage
coverage: $(STAMP) ## Run quick tests; fail where fewer than 90% of the new lines are run
	@$(UV) pip install --quiet --python $(BIN)/python --target .tools/coverage coverage==$(COVERAGE_VERSION)
	@PYTHONPATH=.tools/coverage $(BIN)/python -m coverage run --data-file .tools/coverage.data \
		--source kitops_orchestration,airflow_kitops,dagster_kitops -m pytest -q -p no:cacheprovider $(COVERED)
	@PYTHONPATH=.tools/coverage $(BIN)/python -m coverage json -q --data-file .tools/coverage.data -o .tools/coverage.json
	@$(BIN)/python tools/new_lines.py .tools/coverage.json --against $(BASE) --floor 90

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

.PHONY: rooms
rooms: $(STAMP) ## Write into each folder's docstring what others take from it
	@$(BIN)/python tools/rooms.py

# --- Show -------------------------------------------------------------------------------------------------

.PHONY: demo demo-airflow demo-catalog demo-dagster
demo: $(STAMP) ## Run the story from run to verified deployment, on folders alone
	@$(BIN)/python examples/demo.py

demo-airflow: $(STAMP) ## Run the same story as an Airflow DAG
	@$(BIN)/python examples/airflow/run.py

demo-catalog: $(STAMP) ## Make the catalog of a registry with three models of five versions each
	@$(BIN)/python examples/catalog.py demo/catalog

demo-dagster: $(STAMP) ## Run the same story as Dagster assets
	@$(BIN)/python examples/dagster/run.py demo/dagster

.PHONY: bench
bench: $(STAMP) programs ## Measure time, memory and disk
	@$(BIN)/python benchmarks/run.py

.PHONY: pictures
pictures: $(STAMP) ## Make docs/pictures/ again: diagrams, and a real Airflow and Dagster in Debian's chromium
	@$(BIN)/python tools/diagrams.py # by itself it takes a second and needs neither of them
	@$(BIN)/python tools/pictures.py
	@$(BIN)/python tools/dagster_pictures.py
	@$(BIN)/python tools/catalog_picture.py

# --- Ship -------------------------------------------------------------------------------------------------

.PHONY: docs
docs: $(STAMP) ## Build the documentation into site/; a broken link fails
	@$(BIN)/python tools/cli_page.py > .venv/cli.md && mv .venv/cli.md docs/reference/cli.md
	@$(BIN)/python tools/json_schemas.py
	@$(BIN)/python tools/airflow_pages.py
	@$(BIN)/python tools/api_pages.py
	@$(BIN)/python tools/file_blocks.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet # ADR 9 says what comes after it
	@echo "site/index.html"

# Each version lies in a folder of its own in the branch DOCS_BRANCH of this repository, which is the whole site: nothing is pushed,
# and no host is needed. Not in the lock: mike is put beside the environment, and nothing else needs it (ADR 9). verspec is what mike
# imports, and is an alias of inversion today; all else that mike needs is there.
MIKE_VERSION := 2.2.0
DOCS_BRANCH ?= pages
MIKE := PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH="$(abspath .tools/mike)" DOCS_VERSIONS=mike NO_MKDOCS_2_WARNING=1 $(BIN)/python .tools/mike/bin/mike
.PHONY: docs-version
docs-version: $(STAMP) ## Add this version of the documentation to the branch of the site; `make docs-version DOCS=dev` as "dev"
	@$(UV) pip install --quiet --python $(BIN)/python --target .tools/mike --no-deps mike==$(MIKE_VERSION) verspec==0.2.1 inversion==1.0.1
	@version=$${DOCS:-$$($(BIN)/python tools/release.py --version)}; latest=$$([ -n "$$DOCS" ] || echo latest); \
		$(MIKE) --quiet deploy --branch $(DOCS_BRANCH) --alias-type redirect --update-aliases --allow-empty $$version $$latest
	@$(MIKE) --quiet set-default --branch $(DOCS_BRANCH) --allow-undefined --allow-empty latest
	@git ls-tree --name-only $(DOCS_BRANCH)

.PHONY: dist
dist: $(STAMP) ## Build the wheel and the source distribution into dist/
	@rm -rf dist
	@$(UV) build --quiet --python $(BIN)/python --out-dir dist .
	@ls dist

# What a release brings along: the wheel with all extras, in an environment of its own, on the lock's versions. The program that
# writes the bill is not in the lock, because nothing else needs it.
BILL_VENV := .tools/bill-environment
.PHONY: sbom
sbom: dist ## Write the bill of materials of a release, dist/*.cdx.json
	@$(UV) venv --quiet --clear --python $(BIN)/python $(BILL_VENV)
	@$(UV) pip install --quiet --python $(BILL_VENV)/bin/python --constraint requirements.lock "$$(ls dist/*.whl)[all]"
	@$(UV) tool run --quiet --python $(BIN)/python --from cyclonedx-bom==$(CYCLONEDX_VERSION) cyclonedx-py environment \
		$(BILL_VENV)/bin/python --pyproject pyproject.toml --mc-type library --output-reproducible --output-file .tools/bill.json
	@$(BIN)/python tools/bill.py .tools/bill.json dist
	@ls dist/*.cdx.json

# `TAG=v1.2.3 make release-check`
.PHONY: release-check
release-check: $(STAMP) ## Check that a tag, the version and the changelog agree
	@$(BIN)/python tools/release.py "$$TAG"

.PHONY: clean
clean: ## Remove everything that can be made again
	@rm -rf $(VENV) .tools .fuzz dist site demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
