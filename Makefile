# Everything runs in .venv: `make env` builds it from requirements.lock, and `make env-dev` adds requirements-dev.lock.
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# without bytecode, imports take seconds longer
export PYTHONDONTWRITEBYTECODE :=
# an active environment stays untouched
unexport VIRTUAL_ENV CONDA_PREFIX
PORT ?= 5000

.DEFAULT_GOAL := help
.PHONY: help run retrain test check format env env-dev lock deps docs ui demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: .venv/ready ## reproduce the pipeline and print its result
	@dvc repro
	@python -m digitsum sync || true
	@python -m digitsum summary
	@python -m digitsum compare --if-champion || true

# SET changes params, as in SET='train.epochs=4 train.seed=2'; LOCAL=1 uses no remote; FORCE=1 runs every stage
retrain: .venv/ready-dev ## pull, run what changed, push, record, judge, promote on main, and write the comment
	@python -m digitsum retrain --set "$$SET" $(if $(LOCAL),--local) $(if $(FORCE),--force)

test: .venv/ready-dev ## run all tests
	@pytest

check: .venv/ready-dev ## check lint, types, workflows and the citation file
	@ruff check
	@ruff format --check
	@mypy
	@zizmor --offline --quiet --persona pedantic .github/workflows
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci docs/gitlab-ci.yml
	@check-jsonschema --quiet --builtin-schema vendor.citation-file-format --force-filetype yaml CITATION.cff

format: .venv/ready-dev ## fix what check reports and a tool can fix
	@ruff check --fix
	@ruff format

deps: .venv/ready ## write the code that each stage imports into dvc.yaml
	@python -m digitsum deps

docs: .venv/ready ## regenerate docs/params.md and docs/commands.md
	@python -m digitsum docs

ui: .venv/ready ## open the MLflow pages at the comparison of the newest results
	@python -m digitsum sync || true
	@python -m digitsum ui --port $(PORT)

demo: PORT = 7860
demo: .venv/ready ## open a page on which to draw or drop an image and see it read
	@python -m digitsum demo --port $(PORT)

env: .venv/ready ## build the environment that runs the pipeline

env-dev: .venv/ready-dev ## add what tests, checks, and remotes on S3 and SSH need

# pip installs uv from the lock, and uv installs the rest
.venv/uv.lock: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "error: no venv in $(PYTHON); on Debian: apt install python3-venv" >&2; exit 1; }
	@awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.lock > $@.new
	@pip install --quiet --disable-pip-version-check --require-hashes -r $@.new
	@mv $@.new $@

# --compile-bytecode spares the first import the time; what is built from source gets its setuptools from the lock
SYNC := uv pip sync --python $(BIN)/python --require-hashes --build-constraints requirements.lock --compile-bytecode

.venv/ready: .venv/uv.lock requirements.lock
	@$(SYNC) requirements.lock $(if $(wildcard .venv/ready-dev),requirements-dev.lock,.venv/uv.lock)
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	@$(SYNC) requirements.lock requirements-dev.lock
	@touch $@

# UPGRADE=1 takes the newest versions that pyproject.toml allows
lock: .venv/uv.lock ## resolve pyproject.toml and rewrite both lock files
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock

COMPILE = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)

clean: ## delete the environment and what stages wrote; keep the DVC cache and MLflow's records
	@git clean -qfdX .venv data/raw data/processed models reports
