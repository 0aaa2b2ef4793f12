# One command sets everything up; nothing outside this folder is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PATIENTS ?= 1000

.PHONY: help demo test check fix bench lock clean
.DEFAULT_GOAL := help

help:  ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)  ## The whole road on a synthetic hospital, into ./demo
	$(BIN)/medcairn demo demo --patients $(PATIENTS)

test: $(READY)  ## The whole test suite
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(READY)  ## Lint, format, types, import contracts; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY)  ## Repair what can be repaired
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)  ## Measure speed and peak memory of every stage
	$(BIN)/python -m bench

lock: $(READY)  ## Pin every dependency by hash again (needs uv)
	uv pip compile pyproject.toml --extra mlflow --extra serve --extra postgres --extra stores --extra spark --extra organisation --extra timestamps --extra dev --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock

clean:  ## Remove what this file made, the demo study included
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
