# Everything runs in .venv, which `make env` builds from the two lock files.
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# without bytecode, imports take seconds longer
export PYTHONDONTWRITEBYTECODE :=
# whatever other environment is active is not to be touched
unexport VIRTUAL_ENV CONDA_PREFIX
PORT ?= 5000

.PHONY: run retrain test test-portable check format env lock ui demo clean

run: .venv/ready ## reproduce the pipeline and say what came out
	@dvc repro
	@python -m digitsum sync || true
	@python -m digitsum summary
	@python -m digitsum compare --if-champion || true

# SET changes params, as in SET='train.epochs=4 train.seed=2'; LOCAL=1 uses no remote; FORCE=1 runs every stage
retrain: .venv/ready ## pull, run what changed, push, record, judge, promote on main, and say what came of it
	@python -m digitsum retrain --set "$$SET" $(if $(LOCAL),--local) $(if $(FORCE),--force)

test: .venv/ready ## the whole test suite
	@pytest

# of three makers, with caches of other sizes; before 10, qemu crashes in AVX2's gather
PROCESSORS ?= Haswell-noTSX Skylake-Client-noTSX-IBRS EPYC-Rome EPYC-Milan Dhyana
QEMU ?= qemu-x86_64
test-portable: .venv/ready ## the digests of tests/portable.json on other processors, emulated; five minutes each
	@command -v $(QEMU) > /dev/null || { echo "error: no $(QEMU); install qemu-user 10 or later, or set QEMU" >&2; exit 1; }
	@for cpu in $(PROCESSORS); do \
		PYTHONPATH=. $(QEMU) -cpu $$cpu .venv/bin/python tests/portable.py 2> .venv/portable.log | cmp - tests/portable.json \
			|| { tail -3 .venv/portable.log >&2; echo "error: $$cpu: not the bytes of tests/portable.json" >&2; exit 1; }; \
		echo "$$cpu: the same bytes"; \
	done

check: .venv/ready ## lint, types and workflows
	@ruff check
	@ruff format --check
	@mypy
	@zizmor --offline --quiet --persona pedantic .github/workflows
	@check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci docs/gitlab-ci.yml

format: .venv/ready ## what check would complain about and a tool can mend
	@ruff check --fix
	@ruff format

ui: .venv/ready ## the MLflow pages, at the comparison of the newest results
	@python -m digitsum sync || true
	@python -m digitsum ui --port $(PORT)

demo: PORT = 7860
demo: .venv/ready ## a page on which to draw or drop an image and see it read
	@python -m digitsum demo --port $(PORT)

env: .venv/ready ## the environment alone

# uv itself comes from its lock by pip; compiled now, so that nobody waits for it at the first import
.venv/ready: requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv || { echo "error: no venv in $(PYTHON); on Debian: apt install python3-venv" >&2; exit 1; }
	@awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.lock > .venv/uv.lock
	@pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock requirements-dev.lock
	@touch $@

lock: .venv/ready ## resolve pyproject.toml anew
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.lock -o requirements-dev.lock

clean: ## the environment and all that stages wrote; the DVC cache and MLflow's records stay
	@git clean -qfdX .venv data/raw data/processed models reports
