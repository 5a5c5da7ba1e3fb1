# demo, test, bench, soak, lint: each makes the virtual environment from the lock by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test browser office bench soak lint format lock clean

demo: .venv/ready
	$(BIN)/promptsheet demo

test: lint browser
	$(BIN)/pytest -n 2 --dist worksteal

# The page is looked at in a real browser: Debian's, where there is none yet.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
browser:
	@command -v chromium >/dev/null || { $(AS_ROOT) apt-get -qq update && \
		$(AS_ROOT) apt-get -qq install -y --no-install-recommends chromium >/dev/null; }

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What a real LibreOffice does to a sheet; needs libreoffice-calc and python3-uno.
office: .venv/ready
	$(BIN)/pytest -m office

bench: .venv/ready
	$(BIN)/python -m tests.benchmarks

soak: .venv/ready
	$(BIN)/pytest -m soak -n 2 --timeout 3600 -s

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Needs uv: resolves for every Python from 3.11 on, with hashes and without an index address.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --all-extras --group dev pyproject.toml -o requirements.lock

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Promptsheet needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q pipeline    # as pip does with all that is not editable
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis demo
