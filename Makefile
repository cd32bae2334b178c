# Everything lands inside the checkout: the tools in .tools, the environment in .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(wildcard plugins/*/pyproject.toml) workers/pyproject.toml
EDITABLE := -e . $(foreach member,$(MEMBERS),-e $(dir $(member)))
MUTANTS ?= 20000
SEED ?= 1
VIDEOS ?= 300
SEEDS ?= 1,2,3,4,5
CYCLES ?= 50
LIGHT := -e . $(foreach name,nudity faces speech text,-e plugins/$(name))

export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)

SYSTEM_UV := $(shell command -v uv 2>/dev/null)
ifeq ($(SYSTEM_UV),)
UV := .tools/uv/bin/uv
export UV_CACHE_DIR := $(CURDIR)/.tools/cache
else
UV := $(SYSTEM_UV)
endif

.PHONY: help setup light demo browser test lint format eval bench fuzz chaos lock clean

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.full ## the whole stack, with what tests and linters need
light: $(VENV)/.light ## without torch: no objects, no diarization

.tools/uv/bin/uv: requirements.lock
	@echo "installing uv into .tools" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python 3.11 or newer is needed: set PYTHON=")'
	@$(PYTHON) -m venv .tools/uv
	@sed -n '/^uv==/,/^[^ ]/p' requirements.lock | sed '1b;/^[^ ]/d' > .tools/uv.lock
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .tools/uv.lock
	@touch $@

$(VENV)/bin/python: | $(if $(SYSTEM_UV),,.tools/uv/bin/uv)
	$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV)

# Build tools come from the lock as well, hence no isolation.
$(VENV)/.full: requirements.lock pyproject.toml $(MEMBERS) | $(VENV)/bin/python
	$(UV) pip sync --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation $(EDITABLE)
	@rm -f $(VENV)/.light && touch $@

$(VENV)/.light: requirements-light.lock pyproject.toml $(MEMBERS) | $(VENV)/bin/python
	$(UV) pip sync --python $(BIN)/python --require-hashes requirements-light.lock
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation $(LIGHT)
	@rm -f $(VENV)/.full && touch $@

demo: setup ## scan a video made on the spot; nothing leaves the checkout
	@$(BIN)/moderation demo --directory demo

test: setup browser ## all tests, in parallel
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

# Tests of the page drive it; without it they are skipped, and fail in CI.
browser: ## Debian's Chromium, where there is none and we may install it
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "installing chromium" >&2 && \
	  apt-get update -qq >&2 && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
	    chromium fonts-liberation >&2; \
	} || echo "there is no chromium: tests of the page are skipped; install the package chromium" >&2

lint: setup ## ruff, mypy, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@for tests in plugins/*/tests $(wildcard workers/tests); do $(BIN)/mypy $$tests/*.py || exit 1; done
	$(BIN)/lint-imports

format: setup ## what the linters can put right by themselves
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

eval: setup ## figures on the labelled sets beside the checkout
	@for script in tests/eval/*_eval.py; do $(BIN)/python $$script || exit 1; done

bench: setup ## speed and memory, as ratios read in one run
	@for script in tests/bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

fuzz: setup ## hostile files by the thousand: MUTANTS=20000 SEED=1
	@$(BIN)/python -m tests.fuzz.fuzz --mutants $(MUTANTS) --seed $(SEED) $(ARGS)

chaos: setup ## kill workers, broker and database at random: VIDEOS=300 SEEDS=1,2,3,4,5 CYCLES=50
	@CHAOS_VIDEOS=$(VIDEOS) CHAOS_SEEDS=$(SEEDS) $(BIN)/pytest -s -p no:xdist tests/services/test_chaos.py $(ARGS)
	@BROKER_CYCLES=$(CYCLES) $(BIN)/pytest -s -p no:xdist tests/services/test_broker_faults.py $(ARGS)

lock: $(if $(SYSTEM_UV),,.tools/uv/bin/uv) ## resolve anew and write the two lock files
	$(UV) lock --upgrade
	@$(MAKE) --no-print-directory export

export: # uv.lock holds addresses and stays out; these hold names, versions and hashes
	$(UV) export --quiet --locked --all-packages --group dev --no-emit-workspace --no-header -o requirements.lock
	$(UV) export --quiet --locked --group light --group build --no-emit-workspace --no-header -o requirements-light.lock

clean: ## the environment and the tools; not your data
	rm -rf $(VENV) .tools build dist demo
