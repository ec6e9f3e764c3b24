# From a fresh clone: `make test` builds .venv and runs every test.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
BENCHMARKS := $(wildcard benchmarks/*.py)

# What the demo searches and replays, and the extra of the system they are studies of.
SYSTEM := arc
SEARCH := champion
ABLATION := trial-69

# The extras that the tests need: those of the systems, where they can't do without.
EXTRAS := $(SYSTEM),wordle,dev

.PHONY: install demo test check format docs versions bench clean

install: $(INSTALLED)

$(BIN)/python:
	$(PYTHON) -m venv .venv

$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -e '.[$(EXTRAS)]' -c constraints.txt
	touch $@

demo: install
	$(BIN)/ablate search --study $(SEARCH)
	$(BIN)/ablate replay $(ABLATION)
	$(BIN)/ablate report $(ABLATION)
	@echo "The report is in results/$(ABLATION)/report/, the runs beside it, the record in results/ablate.db."

test: install
	$(BIN)/pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The reference of the Python API, as plain pages in docs/api.
docs: install
	$(BIN)/python scripts/reference.py

# The tests of the resolver at both ends of the supported versions.
versions: install
	$(BIN)/python scripts/versions.py

bench: install
	set -e; for script in $(BENCHMARKS); do $(BIN)/python $$script; done

# Keeps .venv and results/.
clean:
	rm -rf dist docs/api .pytest_cache .mypy_cache .ruff_cache .hypothesis lightning_logs
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
