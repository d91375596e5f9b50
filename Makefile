# Two commands on a fresh machine with Python 3.11+, make and pip:
#   make run [FOR=40s]   the daemon on policies/, with the embedded sandbox
#   make test            the tests

PYTHON ?= python3
BIN := .venv/bin
FOR ?=
FUZZ_SECONDS ?= 60
ROUNDS ?= 2000
SEED ?= 1

.PHONY: setup run test check chaos fuzz laws guard-honest audit bench bench-sandbox docs fmt clean lock

# With bytecode, as an installed package has it: a command starts in half the time.
setup: .venv/.test
	$(BIN)/python -m compileall -q runner

run: setup
	$(BIN)/runner up $(if $(FOR),--for $(FOR))

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# The long form of tests/chaos: so many rounds of things going wrong, a summary at the end.
chaos: setup
	PYTHONPATH=tests $(BIN)/python -m chaos $(ROUNDS) $(SEED)

# Decoders against atheris, for FUZZ_SECONDS in all; what breaks one is kept under .fuzz/.
fuzz: .venv/.fuzz
	$(BIN)/python tests/fuzz $(FUZZ_SECONDS)

# The properties on examples that nobody has tried yet; what fails prints how to try it again.
laws: setup
	TESTS_EXAMPLES=new $(BIN)/python -m pytest -n 2 tests/unit tests/contract tests/model

# Ten thousand random honest runs through the guard, a few minutes: not one may be refused.
guard-honest: setup
	RUNNER_TEST_HONEST_RUNS=10000 $(BIN)/python -m pytest -q -n 2 tests/integration/test_honest_runs.py

# Known holes in what constraints.txt pins, asked of the package index: fails where it does not answer.
audit:
	test -x .venv-audit/bin/pip-audit || \
		($(PYTHON) -m venv .venv-audit && .venv-audit/bin/pip install -q --disable-pip-version-check pip-audit)
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt

# Every number of tests/bench goes into .bench/bench.json; a broken bound fails at the end.
bench: setup
	status=0; for bench in tests/bench/bench_*.py; do \
		echo "== $$bench"; $(BIN)/python $$bench || status=1; \
	done; $(BIN)/python tests/bench/merge.py && exit $$status

# How many payments the sandbox takes in a second.
bench-sandbox: setup
	$(BIN)/python tests/bench/sandbox.py

# Brings the tables of docs/policy.md and the JSON Schemas to what the language is.
docs: setup
	$(BIN)/python -m runner.policy.manual docs/policy.md
	$(BIN)/runner schema policy > docs/policy.schema.json
	$(BIN)/runner schema book > docs/book.schema.json
	$(BIN)/runner schema organisation > docs/organisation.schema.json
	$(BIN)/runner schema config > docs/config.schema.json

fmt: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Brings constraints.txt to the newest releases that pyproject.toml admits.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -q -e '.[dev]'
	.venv-lock/bin/pip freeze --exclude-editable > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-audit .runner .bench .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

.venv/.dev: .venv/.test
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.venv/.fuzz: .venv/.test
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	touch $@
