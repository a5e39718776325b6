# Everything a user or a developer does here. `make install` makes .venv; the others call it when needed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test coverage lint check soak format docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "groundup needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say PYTHON=python3.11 make ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[hf,dev]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/groundup demo

test: $(STAMP)
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal --durations=5

# What the tests reach, line by line; counting takes a quarter of their time, so it is apart.
coverage: $(STAMP)
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist worksteal --cov=groundup --cov-report=term:skip-covered

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

# The long forms: real kills, whole lines, larger models.
soak: $(STAMP)
	$(BIN)/python -m pytest -m soak

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The generated parts of the documents; a test holds them equal to the code.
docs: $(STAMP)
	$(BIN)/python scripts/generate_docs.py

clean:
	rm -rf runs .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist build
