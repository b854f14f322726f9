# `make` lists what there is. Each target makes the environment in .venv first, if it must;
# that needs Python 3.10 or newer (another than python3: make PYTHON=python3.12 ...).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MANIFESTS := pyproject.toml $(wildcard plugins/*/pyproject.toml contrib/*/pyproject.toml)
BENCHMARKS ?= import_time file_logging file_search

# An activated environment elsewhere is not meant, and no interpreter is downloaded behind the back.
unexport VIRTUAL_ENV
export UV_PYTHON_DOWNLOADS = never

.PHONY: help demo test lint types docs bench clean
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/\1	\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-7s %s\n' "$$name" "$$text"; done

demo: $(READY)  ## track a scikit-learn training into ./mlruns and compare its runs
	$(BIN)/python examples/sklearn_digits.py
	$(BIN)/tracking runs compare --experiment digits

test: $(READY)  ## all tests, on all cores; ARGS="-k name" is handed to pytest
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: $(READY)  ## style (ruff) and who may import whom (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)  ## mypy, strict
	$(BIN)/mypy

docs: $(READY)  ## build the documentation into ./site; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(READY)  ## measure against the peers on this machine; BENCHMARKS="import_time" for one
	$(BIN)/python -m benchmarks $(BENCHMARKS)

clean:  ## remove what was built and cached; the environment stays (rm -r .venv for that)
	rm -rf build dist site benchmarks/results .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# --inexact: uv is not a dependency of the project, and would remove itself.
$(READY): $(BIN)/uv $(MANIFESTS)
	$(BIN)/uv sync --quiet --inexact --all-packages --python $(BIN)/python
	@touch $@

# An environment that uv has made has no pip.
$(BIN)/uv: | $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8,<1'

$(BIN)/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3.10; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.10 or newer with the modules venv and ensurepip (on Debian: apt install python3-venv) is on PATH; name one: make PYTHON=/path/to/python" >&2; \
	exit 1
