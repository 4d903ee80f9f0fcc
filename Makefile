# Everything is installed into this folder; needed first: Python >= 3.12 (or uv), git and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
CORES ?= 2

# A Python that will do; without one, uv fetches its own.
PYTHON := $(firstword $(foreach name,python3.12 python3.13 python3.14 python3,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' 2>/dev/null && echo $(name))))
# A version manager's shim may be on the path and yet not run, so ask it instead of looking for it.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
UV_VERSION := 0.13.9
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help install run report check test test-rdm clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## Install what uv.lock says into .venv

run: $(INSTALLED) ## Carry the records of config.yaml (by default the demo, into the sandbox)
	$(BIN)/snakemake --cores $(CORES)

report: $(INSTALLED) ## results/report.html: one offline page about the last run
	$(BIN)/snakemake --cores $(CORES) --report results/report.html

check: $(INSTALLED) ## Format, lint, types, snakemake --lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

test: $(INSTALLED) ## The test suite; servers that are not installed are skipped, loudly
	$(BIN)/pytest -m "not rdm and not slurm"

test-rdm: $(INSTALLED) ## Against a real InvenioRDM, installed and started for it (Debian, 2-3 minutes)
	$(BIN)/pytest -m rdm tests/servers/test_workflow_rdm.py

clean: ## Remove what runs have made: results, data, logs (what was uploaded stays where it is)
	rm -rf results data logs benchmarks .snakemake

$(INSTALLED): pyproject.toml uv.lock $(filter-out uv,$(UV))
	$(UV) sync --locked --quiet $(if $(PYTHON),--python $(PYTHON))
	touch $@

.tools/bin/uv:
	$(if $(PYTHON),,$(error expected Python >= 3.12 or uv on the path, found neither))
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet uv==$(UV_VERSION)
