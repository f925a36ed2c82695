# The face of the project: `make help` lists the verbs. Each target sets itself up.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := PYTHONPATH=.tools $(PYTHON) -m uv
# uv does not read pip's configuration: hand a configured index over, and never fetch an interpreter.
PIP_INDEX := $(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null)
export UV_DEFAULT_INDEX ?= $(if $(PIP_INDEX),$(PIP_INDEX),)
export UV_PYTHON_DOWNLOADS := never
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.tools/uv/__init__.py:
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools "uv==$(UV_VERSION)"

$(STAMP): requirements.lock pyproject.toml | .tools/uv/__init__.py
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Create .venv from requirements.lock

.PHONY: lock
lock: | .tools/uv/__init__.py ## Resolve requirements.lock again
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --all-extras --group dev pyproject.toml -o requirements.lock
