# Everything needs Python 3.11 or newer and nothing else: each target makes its own environment first.
#   make demo PYTHON=python3.12      another interpreter
#   make test PYTEST_ARGS="-k viz"   a part of the tests
#   make bench BENCH_ARGS="--json"   another report
#   make fuzz MINUTES=30 JOBS=2      random programs for half an hour; FUZZ_ARGS="--seed 7" begins with that seed

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
BENCH_ARGS ?=
MINUTES ?= 1
JOBS ?= 1
FUZZ_ARGS ?=

python := $(VENV)/bin/python
pip := $(python) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test bench fuzz oracles notebooks clean FORCE

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed  ## train the half adder, take its gradients apart, draw them: pictures in out/
	@$(python) examples/half_adder.py

test: $(VENV)/.test  ## lint, format, types and tests
	@failed=; \
	part() { \
		name=$$1; shift; \
		echo "== $$name: $$*"; \
		$(python) -m "$$@" || failed="$$failed $$name"; \
	}; \
	part lint ruff check .; \
	part format ruff format --check .; \
	part types mypy; \
	export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1; \
	part tests pytest -q -n auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS); \
	if [ -n "$$failed" ]; then echo "make test: failed:$$failed"; exit 1; fi; \
	echo "make test: lint, format, types and tests pass"

bench: $(VENV)/.benchmarks  ## speed and memory against hand-written code and the peers
	@$(python) -m benchmarks $(BENCH_ARGS)

fuzz: $(VENV)/.test  ## random programs run in every way for MINUTES=1, in JOBS=1 processes; what fails is in out/fuzz/
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(python) -m tools.fuzz --minutes $(MINUTES) --jobs $(JOBS) $(FUZZ_ARGS)

oracles: $(VENV)/.oracles  ## install JAX, PyTorch and numba too, for the tests (hundreds of MB)

notebooks: $(VENV)/.test  ## run the tutorial notebooks, and keep what comes out
	@$(python) -m tools.notebooks

clean:  ## remove all that make and the tools made, the environment included
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A file in it says with what it was made: another interpreter, or another place, makes it anew.
$(VENV)/.made: FORCE
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "tinygrad_lite needs Python 3.11 or newer, and there is no '$(PYTHON)'; name one: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "tinygrad_lite needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); name another: make PYTHON=python3.12"; exit 1; }
	@made="$$("$(PYTHON)" -V) in $(CURDIR)"; \
	if [ "$$made" != "$$(cat $@ 2>/dev/null)" ]; then \
		echo "Making $(VENV) with $$("$(PYTHON)" -V)"; \
		"$(PYTHON)" -m venv --clear $(VENV) && echo "$$made" >$@; \
	fi

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "Installing tinygrad_lite"
	@$(pip) --editable .
	@touch $@

$(VENV)/.test $(VENV)/.benchmarks $(VENV)/.oracles: $(VENV)/.%: $(VENV)/.made pyproject.toml
	@echo "Installing tinygrad_lite[$*]"
	@$(pip) --editable '.[$*]'
	@touch $@ $(VENV)/.installed
