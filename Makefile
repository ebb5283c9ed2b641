# make demo    set up, then the whole pocket recipe on this machine
# make test    set up, then style, types and tests
# make bench   set up, then every bench; writes bench/RESULTS.md
#
# PYTHON=python3.12          another Python (3.11 or newer)
# PIP_ARGS="--index-url URL" where pip looks: another index, or PyTorch's index of builds for your GPU or CPU

PYTHON ?=
PIP_ARGS ?=

.PHONY: demo test bench setup clean

demo: setup
	.venv/bin/lapis run pocket

test: setup
	.venv/bin/lapis build executorch || echo "without ExecuTorch its tests are skipped"
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -q -n 2

bench: setup
	.venv/bin/python -m bench.parts.all

setup: .venv/ready .venv/system

.venv/ready: constraints.txt pyproject.toml scripts/setup-python
	PYTHON="$(PYTHON)" scripts/setup-python $(PIP_ARGS)
	@touch $@

.venv/system: scripts/setup-system | .venv/ready
	scripts/setup-system
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
