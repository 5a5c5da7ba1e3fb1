# Each target makes the virtual environment that it needs: `demo` installs the product alone
# (requirements.lock), the others install the tools for development too (requirements-dev.lock).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test suite docs docs-links notebooks reference servers office image n8n rivals bench bench-scale bench-day soak mutants messages lint format lock clean

demo: .venv/ready
	$(BIN)/promptsheet demo

# The checks of the code run beside the tests.
MAKEFLAGS += --jobs=2
test: lint suite docs

# Five workers on two cores: many tests wait for a process or a second to pass.
suite: .venv/ready-dev servers
	$(BIN)/pytest -n 5 --dist worksteal

# The documentation as a site, in build/docs; a dead link between its pages is an error.
SPHINX := $(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees
docs: .venv/ready-dev
	$(SPHINX) -b html docs build/docs
	@echo "Open build/docs/index.html"

# The notebooks with their results, as pages that `make docs` adds to the site. Its page about notebooks
# is read again.
notebooks: .venv/ready-dev
	$(BIN)/python -m docs.tools.notebooks build/notebooks
	rm -rf build/doctrees

# Write the parts of the reference that are made from the code.
reference: .venv/ready-dev
	$(BIN)/python -m docs.tools
	$(BIN)/python -m tests.gestures.page
	$(BIN)/python -m tests.cli.test_doctor_page

# Links to other sites; needs the network, so it is not part of the tests.
docs-links: .venv/ready-dev
	$(SPHINX) -b linkcheck docs build/docs-links

# Tests use a real browser, a real database server and a real proxy: Debian's, where there is none yet.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
servers:
	@missing=; command -v chromium >/dev/null || missing=chromium; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -x /usr/sbin/nginx ] || missing="$$missing nginx-light"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	command -v zsh >/dev/null || missing="$$missing zsh"; \
	command -v fish >/dev/null || missing="$$missing fish"; \
	[ -z "$$missing" ] || { $(AS_ROOT) apt-get -qq update && \
		$(AS_ROOT) apt-get -qq install -y --no-install-recommends $$missing >/dev/null; }

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What a real LibreOffice does to a sheet; needs libreoffice-calc and python3-uno.
office: .venv/ready-dev
	$(BIN)/pytest -m office

# A real buildah builds the container image, and the services run in it; needs root.
image: .venv/ready-dev servers
	@{ command -v buildah && command -v debootstrap; } >/dev/null || \
		$(AS_ROOT) apt-get -qq install -y --no-install-recommends buildah debootstrap >/dev/null
	$(BIN)/pytest -n 0 -m image

# A real n8n receives our pushes; it installs 3 GB (see tests/compat/n8n.sh).
n8n: .venv/ready-dev
	tests/compat/n8n.sh

# The same sheet and the same stand-in API by Promptsheet, a script and that n8n: about 20 minutes. It
# writes the table of docs/explanation/rivals.md.
rivals: .venv/ready-dev
	tests/compat/n8n.sh tests.rivals

bench: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks

# How costs grow with the sheets and the finished jobs; `--jobs` sets the largest store.
bench-scale: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks.scale

# A day of a fleet in simulated time: 500,000 rows, 2,000 sheets, 20 machines. See docs/explanation/scale.md.
bench-day: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks.day

soak: .venv/ready-dev servers
	@[ -x /usr/sbin/pgbouncer ] || \
		$(AS_ROOT) apt-get -qq install -y --no-install-recommends pgbouncer >/dev/null
	$(BIN)/pytest -m soak -n 2 --timeout 3600 -s

# Plant faults one by one, and run the tests that must find each.
mutants: .venv/ready-dev
	$(BIN)/python -m tests.mutants

# Add new messages to the files of all languages, and mark those that are no longer used.
messages: .venv/ready-dev
	$(BIN)/python -m tests.language

format: .venv/ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All locks hold for every Python from 3.11 on, with hashes and without an index address; the
# second takes the versions of the first.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header
lock: .venv/ready-dev
	$(BIN)/uv --version || $(BIN)/pip install uv
	$(COMPILE) pyproject.toml --extra google --extra excel --extra serve -o requirements.lock
	$(COMPILE) pyproject.toml --all-extras --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra google --extra excel --extra serve --extra fleet --extra s3 \
		-c requirements-dev.lock -o configs/deploy/docker/requirements.lock
	printf 'pip\nuv\n' | $(COMPILE) --upgrade - -o requirements-installers.lock

# $(call install,LOCK): install a lock, and say how far it is. Python compiles a module when it is
# first used: to compile them all takes longer than the demo.
install = $(BIN)/pip install --disable-pip-version-check --no-compile --require-hashes -r $(1) | awk '\
	/^(Collecting|Processing|Requirement already)/ { if (++n % 10 == 0) { print "  " n " packages"; fflush() } } \
	/^Installing collected/ { print "  " n " packages, now unpacking"; fflush() }'

# $(call installer,NAME): install pip or uv from their lock.
installer = sed -n '/^$(1)==/,/[^\\]$$/p' requirements-installers.lock >.venv/$(1).lock && \
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r .venv/$(1).lock

# The pip that comes with Python 3.11 needs twice as long to read the lists of files of a package.
# Where the newer one cannot be had, the older one goes on.
.venv/made: requirements-installers.lock
	@$(PYTHON) -c 'import sys; sys.exit("Promptsheet needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@echo "Step 1 of 3: making the virtual environment .venv"
	@$(PYTHON) -m venv .venv
	@$(call installer,pip) || echo "  it keeps the pip that came with Python"
	@touch $@

.venv/ready: .venv/made requirements.lock pyproject.toml
	@echo "Step 2 of 3: installing $$(grep '^[a-z]' requirements.lock | grep -vc '== .win32') packages, about half a minute"
	@$(call install,requirements.lock)
	@echo "Step 3 of 3: installing Promptsheet"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Everything at once, with uv, which fetches many packages at the same time. It does not know how pip
# is set up: where it cannot reach an index, pip does the work. The workers of the tests start
# together, and each would compile what the others compile: so all modules are compiled here, once.
.venv/ready-dev: .venv/made requirements-dev.lock pyproject.toml
	@echo "Step 2 of 3: installing Promptsheet and its tools, $$(grep -c '^[a-z]' requirements-dev.lock) packages"
	@{ $(call installer,uv) && \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock; } || \
		{ echo "  uv could not do it; pip takes some minutes"; $(call install,requirements-dev.lock); }
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@echo "Step 3 of 3: compiling what the tests import"
	@$(BIN)/pytest -n 0 --collect-only >/dev/null || true  # `make test` shows what is wrong
	@touch .venv/ready $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis build demo
