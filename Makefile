# On a fresh machine: `make demo`, `make test`. Everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= 1000000

.PHONY: demo test check fuzz bench lint format types lock clean

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "everswarm needs Python 3.11 or newer; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: .venv/ready ## a swarm on this machine
	$(BIN)/everswarm demo

test: .venv/ready ## every test that needs nothing but pip
	$(BIN)/python -m pytest -q

check: .venv/ready ## format, lint, types and the fast tests
	$(BIN)/ruff format .
	$(MAKE) --no-print-directory lint types
	$(BIN)/python -m pytest -q -m "not slow and not interop and not sockets"

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/mypy

fuzz: .venv/ready ## every parser, RUNS executions each
	$(BIN)/python -m fuzz --runs $(RUNS)

bench: .venv/ready ## ratios against other programs, in the same run
	$(BIN)/python -m benchmarks

lock: .venv/ready ## renew requirements.lock (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--no-header --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis dist
