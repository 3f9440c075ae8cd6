# twinmeter. `make` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AXE := tests/browser/node_modules/axe-core/axe.min.js
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help install demo run test check format bench lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

install: $(VENV)/installed ## make the environment alone

$(VENV)/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "twinmeter needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock | install
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: install ## serve with 30 days of demo data and a trickle of live calls
	@$(BIN)/python -m scripts.demo

run: install ## serve
	@$(BIN)/python -m app

# pages are looked at in a browser where there is one, and checked with axe-core where npm is there to install it
$(AXE): tests/browser/package-lock.json
	@if ! command -v npm >/dev/null; then echo "there is no npm: pages are tested without axe-core"; \
	elif npm ci --silent --no-audit --no-fund --prefix tests/browser; then touch $@; \
	else echo "npm cannot install axe-core now: pages are tested without it"; fi

test: $(VENV)/installed-dev $(AXE) ## the whole suite, against a real MongoDB
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: $(VENV)/installed-dev ## style, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

format: $(VENV)/installed-dev ## put the code into the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## the benchmarks of docs/benchmarks.md
	$(BIN)/python -m scripts.bench write
	$(BIN)/python -m scripts.bench pricing
	$(BIN)/python -m scripts.bench reads
	$(BIN)/python -m scripts.bench doors
	$(BIN)/python -m scripts.bench memory
	$(BIN)/python -m scripts.bench backfill

lock: ## resolve the dependencies anew (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and caches; data stays
	rm -rf $(VENV) tests/browser/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
