# Everything runs in .venv, which `make env` builds from the two lock files.
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
.PHONY: help run retrain test check format env lock deps docs ui demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: .venv/ready ## reproduce the pipeline and print its result
	@dvc repro
	@python -m digitsum sync || true
	@python -m digitsum summary
	@python -m digitsum compare --if-champion || true

# SET changes params, as in SET='train.epochs=4 train.seed=2'; LOCAL=1 uses no remote; FORCE=1 runs every stage
retrain: .venv/ready ## pull, run what changed, push, record, judge, promote on main, and write the comment
	@python -m digitsum retrain --set "$$SET" $(if $(LOCAL),--local) $(if $(FORCE),--force)

test: .venv/ready ## run all tests
	@pytest

check: .venv/ready ## check lint, types, workflows and the citation file
	@ruff check
	@ruff format --check
	@mypy
	@zizmor --offline --quiet --persona pedantic .github/workflows
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci docs/gitlab-ci.yml
	@check-jsonschema --quiet --builtin-schema vendor.citation-file-format --force-filetype yaml CITATION.cff

format: .venv/ready ## fix what check reports and a tool can fix
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

env: .venv/ready ## build the environment

# pip installs uv from the lock; --compile-bytecode spares the first import the time
.venv/ready: requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "error: no venv in $(PYTHON); on Debian: apt install python3-venv" >&2; exit 1; }
	@awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.lock > .venv/uv.lock
	@pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock requirements-dev.lock
	@touch $@

lock: .venv/ready ## resolve pyproject.toml and rewrite both lock files
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.lock -o requirements-dev.lock

clean: ## delete the environment and what stages wrote; keep the DVC cache and MLflow's records
	@git clean -qfdX .venv data/raw data/processed models reports
