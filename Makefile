# Two commands matter: `make run` and `make test`. Both set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
TEST_PROCESSES ?= 2

.PHONY: help setup setup-dev run test test-crash test-pages lint lock train bench-map bench-obsei bench-receiver bench-imports bench-statistics bench-planted bench-tagging bench-themes clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/  /'

$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Journeymap needs Python 3.11 or newer: set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	touch $@

setup: $(VENV)/.runtime  ## make .venv with the command `journeymap`

setup-dev: $(VENV)/.dev  ## the same with what the tests need

run: setup               ## start the service with the bundled sample on http://localhost:8000
	$(BIN)/journeymap demo --port $(PORT)

lint: setup-dev          ## ruff, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup-dev lint     ## everything, on SQLite and on PostgreSQL, with a real browser
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

test-crash: setup-dev    ## twenty kill -9 rounds per database
	$(BIN)/python -m pytest -m crash tests/test_crash.py

test-pages: setup-dev    ## axe, keyboard, weight and life without script, on every page
	$(BIN)/python -m tests.chromium
	$(BIN)/python -m pytest -m walk tests/review/test_browser_axe.py

train: setup-dev         ## the tagging model, from ../shared/gold and data/written to data/models
	$(BIN)/python -m training

bench-map: setup-dev     ## the journey map at a million segments, on SQLite and PostgreSQL
	$(BIN)/python -m benchmarks.map

bench-pages: setup-dev   ## every page at a million segments: time, work, questions to the database
	$(BIN)/python -m benchmarks.pages --figures benchmarks/figures/pages.json

bench-receiver: setup-dev  ## acknowledging deliveries beside a bare route, an import and its tagging running
	$(BIN)/python -m benchmarks.receiver --keep

bench-imports: setup-dev  ## storing a file's rows beside the bare insert of the same rows
	$(BIN)/python -m benchmarks.imports --keep

bench-statistics: setup-dev  ## do intervals cover, do trends and impact alarm for nothing, what do they see
	$(BIN)/python -m benchmarks.statistics --figures benchmarks/figures/statistics.json
	$(BIN)/python -m benchmarks.impact --worlds 1500 --figures benchmarks/figures/impact.json
	$(BIN)/python -m benchmarks.impact_segments --worlds 1500 --figures benchmarks/figures/impact_segments.json
	$(BIN)/python -m benchmarks.impact_rates --worlds 500 --figures benchmarks/figures/impact_rates.json
	$(BIN)/python -m benchmarks.impact_metrics --worlds 100 --figures benchmarks/figures/impact_metrics.json

bench-planted: setup-dev  ## do planted stories come out on top, told rightly, and nothing else
	$(BIN)/python -m benchmarks.planted --figures benchmarks/figures/planted.json

bench-themes: setup-dev  ## how good themes and their names are, and how long grouping takes
	$(BIN)/python -m benchmarks.themes --figures benchmarks/figures/themes.json

.venv-bench/.made: requirements-bench.txt requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	touch $@

bench-tagging: .venv-bench/.made  ## speed and accuracy of tagging beside peers, which get a .venv-bench of their own
	.venv-bench/bin/python -m benchmarks.tagging

.venv-obsei/.made: requirements-obsei.txt
	test -x .venv-obsei/bin/python || $(PYTHON) -m venv .venv-obsei
	.venv-obsei/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-obsei.txt
	touch $@

bench-obsei: setup-dev .venv-obsei/.made  ## taking feedback in, beside Obsei, which gets a .venv-obsei of its own
	$(BIN)/python -m benchmarks.obsei --keep

lock:                    ## renew the pins (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements-dev.txt -c requirements-training.txt requirements-bench.in -o requirements-bench.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-obsei.in -o requirements-obsei.txt

clean:                   ## remove what setup made
	rm -rf $(VENV) *.egg-info
