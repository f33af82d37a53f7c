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
.PHONY: help run retrain test quick test-faults test-portable check format env env-dev lock resolve audit release deps docs ui demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: .venv/ready ## reproduce the pipeline and print its result
	@python -m digitsum mend
	@dvc repro
	@python -m digitsum summary

# SET changes params, as in SET='train.epochs=4 train.seed=2'; LOCAL=1 uses no remote; READ_ONLY=1 pulls
# and pushes nothing; FORCE=1 runs every stage
retrain: .venv/ready-dev ## pull, run what changed, push, record, judge, promote on main, and write the comment
	@python -m digitsum retrain --set "$$SET" $(if $(LOCAL),--local) $(if $(READ_ONLY),--read-only) $(if $(FORCE),--force)

test: .venv/ready-dev ## run all tests
	@pytest

quick: .venv/ready-dev ## run the tests that start no DVC, no server, no browser and no workflow
	@pytest -m quick

# MOMENTS=20 kills fewer runs
test-faults: .venv/ready-dev ## kill runs at 100 moments, fill disks, lock stores, damage caches; half an hour on two cores
	@pytest tests/faults

# processors of three makers, with caches of other sizes; before version 10, qemu crashes in AVX2's gather
PROCESSORS ?= Haswell-noTSX Skylake-Client-noTSX-IBRS EPYC-Rome EPYC-Milan Dhyana
QEMU ?= qemu-x86_64
test-portable: .venv/ready-dev ## compare results with tests/portable.json on other processors, emulated; five minutes each
	@command -v $(QEMU) > /dev/null || { echo "error: no $(QEMU); install qemu-user 10 or later, or set QEMU" >&2; exit 1; }
	@for cpu in $(PROCESSORS); do \
		PYTHONPATH=. $(QEMU) -cpu $$cpu .venv/bin/python tests/portable.py --one-process 2> .venv/portable.log \
			|| { tail -9 .venv/portable.log >&2; echo "error: $$cpu: not the bytes of tests/portable.json" >&2; exit 1; }; \
		echo "$$cpu: the same bytes"; \
	done

check: .venv/ready-dev ## check lint, types, workflows and the citation file
	@ruff check
	@ruff format --check
	@mypy
	@zizmor --offline --quiet --persona pedantic .github
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
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
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "error: $(PYTHON) has no venv; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "error: .venv: cannot be made, for the reason above; free space, or delete what is there" >&2; exit 1; }
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

resolve: .venv/uv.lock ## check that the locks can be installed on Python 3.11 to 3.14, x86-64, ARM Linux and macOS
	@.ci/resolve

# CVE-2025-69872 (diskcache) has no fix: docs/security.md argues why it does not matter here
audit: .venv/ready-dev ## look up known vulnerabilities of the locked packages
	@pip-audit --disable-pip --require-hashes --ignore-vuln CVE-2025-69872 -r requirements.lock -r requirements-dev.lock

release: .venv/ready-dev ## write the sources of HEAD and their bill of materials (CycloneDX) to release/
	@mkdir -p release
	@git archive --prefix=digitsum/ --output=release/digitsum.tar.gz HEAD
	@cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o release/digitsum.cdx.json

COMPILE = uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)

clean: ## delete the environment and what stages wrote; keep the DVC cache and MLflow's records
	@git clean -qfdX .venv data/raw data/processed models reports
