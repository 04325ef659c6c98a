# Every target installs what it needs into .venv first. See `make help`.
SHELL := /bin/sh
BIN := .venv/bin
PYTHON ?= python3
export PYTHON

.PHONY: help install demo test check faults soak bench format lock

help: ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

install: ## the private environment .venv, exactly as locked
	@tools/install

demo: install ## a whole simulated firm, then the console; ONCE=1 ends after the summary
	@$(BIN)/tieout demo $(if $(ONCE),--once) $(ARGS)

test: ## format, lint, types, import rules and all tests: what CI runs
	@tools/install --tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest $(ARGS)

check: install ## format, lint, types, import rules, generated files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache >.venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }
	@$(BIN)/python tools/check_lock.py
	@$(BIN)/python -m tools.contracts --check
	@$(BIN)/python -m tools.coverage --check

faults: install ## kill at every failpoint, run every mutant
	@$(BIN)/python -m tests.faults

soak: install ## minutes of load with workers killed all the time; by hand
	@$(BIN)/python -m tests.faults.soak $(SECONDS)

bench: install ## ratios against bare baselines; FULL=1 the large sizes
	@$(BIN)/python -m benchmarks $(if $(FULL),--full)

format: install ## bring the sources into shape
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

lock: install ## choose versions anew and pin their hashes
	@$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --group dev \
		pyproject.toml -o requirements.lock >/dev/null
