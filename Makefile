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
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_SLURM := .venv/.installed-slurm

.PHONY: help install install-slurm run bulk report status notebook check licences sbom env test test-faults soak test-rdm test-rdm-13 test-nrp test-slurm test-long test-slow schemas docs clean

help: ## This list. ARGS="..." goes to the command of any target that runs one
	@grep -hE '^[a-z0-9%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## Install what uv.lock says into .venv

install-slurm: $(INSTALLED_SLURM) ## What profiles/slurm needs besides

run: $(INSTALLED) ## Carry the records of config.yaml (by default the demo, into the sandbox); again goes on where it stopped
	$(BIN)/python scripts/bulk.py --cores $(CORES) $(ARGS)

bulk: run ## The same: thousands of records go run.part_size (500) at a time. ARGS="--configfile mine.yaml --most 500"

report: $(INSTALLED) ## results/report.html: one offline page about the last run. ARGS="--configfile mine.yaml" as for it
	$(BIN)/snakemake --cores $(CORES) --report results/report.html $(ARGS)

status: $(INSTALLED) ## How the run in this folder stands, from any terminal. ARGS="--every 10", ARGS=--json
	@$(BIN)/python scripts/status.py $(ARGS)

notebook: $(INSTALLED) ## results/explore.ipynb: the tables and figures of the last run, to be asked further
	FERRY_RUN="$$PWD" $(BIN)/jupyter execute notebooks/explore.ipynb --output=../results/explore.ipynb $(ARGS)

check: $(INSTALLED) ## Format, lint, types, which room imports which, snakemake --lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint
	PYTHONPATH=scripts $(BIN)/python -m dev.licences --short

licences: $(INSTALLED) ## The packages that a run uses, with version and licence
	@PYTHONPATH=scripts $(BIN)/python -m dev.licences $(ARGS)

sbom: $(INSTALLED) ## sbom.json: the same with their digests, as CycloneDX
	$(UV) export --frozen --no-dev --no-emit-project --format cyclonedx1.5 --quiet --output-file sbom.json

test: $(INSTALLED) ## What a change has broken, within five minutes on two cores; what is not installed is skipped, loudly
	$(BIN)/pytest -n $(CORES) --dist worksteal -m "not rdm and not nrp and not slurm and not long and not slow" $(ARGS)

test-slow: $(INSTALLED) ## The others that need no server: hundreds of runs of the workflow, bad lines, kills (about an hour). A part: ARGS="--share 1/5"
	$(BIN)/pytest -n $(CORES) --dist worksteal -m "slow and not rdm and not nrp and not slurm and not long" $(ARGS)

test-rdm: $(INSTALLED) ## Against a real InvenioRDM 14, installed and started for it once (Debian, about 10 minutes)
	$(BIN)/pytest -m "rdm and not long" --timeout 900 $(ARGS) # the first test waits for the installation

test-rdm-13: export RDM_VERSION := 13
test-rdm-13: test-rdm ## The same against InvenioRDM 13

test-nrp: $(INSTALLED) ## Against a real NRP repository on CCMM 1.1, installed and started for it once (Debian, about 10 minutes)
	$(BIN)/pytest -m "nrp and not long" --timeout 900 $(ARGS)

test-slurm: $(INSTALLED_SLURM) ## On a real Slurm of two nodes, started for it (Debian, as root, about 5 minutes)
	$(BIN)/pytest -m slurm --timeout 900 $(ARGS)

test-faults: $(INSTALLED) ## 1,000 bulk runs over a line that fails at random (about 10 minutes on two cores)
	FAULT_SEEDS=0:1000 $(BIN)/pytest -q -n $(CORES) tests/servers/deposit_faults/test_random_sequences.py $(ARGS)

soak: $(INSTALLED) ## 40 records through kills, a bad line and tampering: SEEDS=0:500, KINDS=kills,line,late,tamper
	PYTHONPATH=scripts:tests $(BIN)/python -m harness.soak $(or $(SEEDS),0:500) --parallel $(CORES) $(if $(KINDS),--kinds $(KINDS)) $(ARGS)

test-long: $(INSTALLED) ## What takes minutes: limits of zip, other Pythons, 300 records of which 10 fail, other NRP repositories, InvenioRDM 13
	$(BIN)/pytest -m "long and not slurm" --timeout 1800 $(ARGS)
	$(MAKE) test-rdm-13

bench-%: $(INSTALLED) ## Measure one part beside what others use: tests/bench/<name>.py
	PYTHONPATH=scripts:tests $(BIN)/python tests/bench/$*.py $(ARGS)

schemas: $(INSTALLED) ## Write schemas/target from the profiles and the vocabularies
	PYTHONPATH=scripts $(BIN)/python -c 'from dev.target_schemas import write_schemas; write_schemas()'

docs: $(INSTALLED) ## Write docs/configuration.md and docs/mapping.md from the schema of the configuration and the rules
	PYTHONPATH=scripts $(BIN)/python -c 'from dev.config_reference import write_reference; write_reference()'
	PYTHONPATH=scripts $(BIN)/python -c 'from dev.mapping_reference import write_mapping; write_mapping()'

env: $(filter-out uv,$(UV)) ## Write envs/workflow.post-deploy.sh: what uv.lock says, for a conda environment
	{ printf '%s\n' '#!/bin/bash' '# Made by `make env`: what uv.lock says, each package by its digest. pip alone would take the aiohttp that nrp-cmd' \
	'# asks for.' 'set -euo pipefail' "pip install --quiet --no-deps --require-hashes --requirement /dev/stdin <<'END'"; \
	$(UV) export --frozen --no-dev --no-emit-project --no-header --no-annotate --quiet; echo END; } >envs/workflow.post-deploy.sh

clean: ## Remove what runs have made: results, data, logs (what was uploaded stays where it is)
	rm -rf results data logs benchmarks metadata/cache .snakemake

$(INSTALLED): pyproject.toml uv.lock $(filter-out uv,$(UV))
	$(UV) sync --locked --quiet --compile-bytecode $(if $(PYTHON),--python $(PYTHON))
	touch $@

$(INSTALLED_SLURM): $(INSTALLED)
	$(UV) sync --locked --quiet --compile-bytecode --inexact --group slurm
	touch $@

.tools/bin/uv: envs/uv.txt
	$(if $(PYTHON),,$(error expected Python >= 3.12 or uv on the path, found neither))
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --require-hashes --requirement $<
	touch $@
