# Everything from nothing: each target makes the virtual environment first where it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test
BENCH := .venv-bench

.PHONY: install app test lint bench torture demo-data clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Atelier needs Python 3.11 or newer; this is ' + sys.version.split()[0])"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(TEST_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

install: $(STAMP)

app: $(STAMP)
	$(BIN)/atelier app

test: $(TEST_STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The rivals have an environment of their own: they would change versions here. One of them wants an older pillow.
$(BENCH)/.installed: $(STAMP)
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	grep -v '^pillow==' constraints.txt > $(BENCH)/constraints.txt
	$(BENCH)/bin/python -m pip install --quiet -c $(BENCH)/constraints.txt torch==2.13.0
	$(BENCH)/bin/python -m pip install --quiet -c $(BENCH)/constraints.txt -e ".[bench]"
	touch $@

# Some fifty minutes on two quiet cores; benchmarks/README.md says what each part takes. gpu ends with 2 without a GPU.
bench: $(BENCH)/.installed $(TEST_STAMP)
	$(BENCH)/bin/python -m benchmarks.training
	$(BENCH)/bin/python -m benchmarks.telemetry
	$(BENCH)/bin/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.live_page
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.sandbox
	$(BIN)/python -m benchmarks.service
	$(BIN)/python -m benchmarks.scoring
	$(BENCH)/bin/python -m benchmarks.gpu || test $$? -eq 2

# The long fault campaigns; each prints its seed and replays from it.
torture: $(TEST_STAMP)
	$(BIN)/python -m tests.torture.kills --kills 100
	$(BIN)/python -m tests.torture.statistics
	$(BIN)/python -m pytest -m slow

# A thousand generated examples of each industry, to look at or to train other tools with.
demo-data: $(STAMP)
	$(BIN)/atelier data make --count 1000 --out workspace/demo-data

clean:
	rm -rf $(VENV) $(BENCH)
