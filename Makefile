# twinmeter. `make` lists what there is.
PYTHON ?= python3
VENV := .venv
NEEDED := twinmeter needs Python 3.11 or newer; name one: make PYTHON=python3.12
BIN := $(VENV)/bin
NODE := node_modules/.package-lock.json
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

# 1980: the files of a distribution have no dates, so that the same sources make the same bytes
NO_DATE := 315532800

# whatever the environment says: what is compiled once for each process costs a suite of many processes a minute
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install demo run test check format bench client lock clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

install: $(VENV)/installed ## make the environment alone
	@$(BIN)/python -m compileall -q app models routes scripts  # a service may not write here
	-@$(BIN)/python -m app.web.bundle  # the charts' JavaScript, so that no page waits for it

$(VENV)/installed: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. $(NEEDED)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1). $(NEEDED)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/installed-dev: requirements-dev.lock | install
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: install ## serve with thirteen months of demo data and a trickle of live calls
	@$(BIN)/python -m scripts.demo

run: install ## serve
	@$(BIN)/python -m app

# what checks JavaScript and tries pages: without it `make check` and `make test` do the rest, in CI they fail
$(NODE): package-lock.json
	@if ! command -v npm >/dev/null; then echo "npm was not found"; \
	elif npm ci --silent --no-audit --no-fund; then touch $@; \
	else echo "npm cannot install node_modules now"; fi

test: $(VENV)/installed-dev $(NODE) ## the whole suite, against a real MongoDB
	$(BIN)/python -m pytest --numprocesses auto

check: $(VENV)/installed-dev $(NODE) ## style, types and who may import whom; JavaScript and its tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	@if [ -e $(NODE) ]; then npm run --silent check; \
	else echo "JavaScript is NOT checked: there are no node_modules"; [ -z "$$CI$$TWINMETER_REQUIRE_BROWSER" ]; fi

format: $(VENV)/installed-dev $(NODE) ## put the code into the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@if [ -e $(NODE) ]; then npm run --silent format; else echo "JavaScript is NOT formatted: there are no node_modules"; fi

BENCHMARKS := write client callers doors "doors --senders 1,4,16,64 --rounds 1" fairness gateway formats pricing reads memory backfill import lag start

bench: install ## the benchmarks of docs/benchmarks.md; it fails at the end where one did
	@failed=; for each in $(BENCHMARKS); do echo "== $$each"; \
	$(BIN)/python -m scripts.bench $$each || failed="$$failed, $$each"; done; \
	[ -z "$$failed" ] || { echo "failed: $${failed#, }"; exit 1; }

client: $(VENV)/installed-dev ## build what applications install: wheel, sdist and npm package of client/, into dist/
	@rm -f dist/twinmeter_client-* dist/twinmeter-*
	@SOURCE_DATE_EPOCH=$(NO_DATE) $(BIN)/python -m build --no-isolation --outdir dist client >/dev/null
	@if command -v npm >/dev/null; then npm pack --silent --pack-destination dist ./client/js >/dev/null; \
	else echo "npm was not found: there is no package for JavaScript"; fi
	@cd dist && sha256sum twinmeter*

lock: ## resolve the dependencies anew (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and caches; data stays
	rm -rf $(VENV) node_modules dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
