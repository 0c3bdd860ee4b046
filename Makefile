# Every target that needs the virtual environment makes it; a second call costs nothing.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup verify adapters explore-full test test-exploring test-others check benchmark lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/ready  ## make .venv from the pinned requirements

.venv/ready: requirements.txt pyproject.toml setup.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip --disable-pip-version-check install -q --require-hashes -r requirements.txt
	$(BIN)/pip --disable-pip-version-check install -q --no-deps --no-build-isolation -e .
	touch $@

verify: setup  ## the main job: check everything that ships
	$(BIN)/kubeproof verify

adapters: setup  ## get the implementations that are not ours; what cannot be had is left out
	$(BIN)/python -m kubeproof.conformance.adapters.pysyncobj || true
	$(BIN)/python -m kubeproof.conformance.adapters.raftos || true
	$(BIN)/python -m kubeproof.conformance.adapters.etcd_raft_go || true

explore-full: setup adapters  ## explore the big scenarios, and find every documented bug (minutes)
	$(BIN)/kubeproof explore --group full
	$(BIN)/kubeproof bugs

# Two at a time: each takes about as long as the other.
EXPLORING := tests/conformance/adapters tests/conformance/explore tests/conformance/refinement tests/conformance/scenarios

test: setup adapters  ## run the tests
	@$(MAKE) --no-print-directory -j 2 --output-sync=target test-exploring test-others

test-exploring:
	$(BIN)/pytest -q $(EXPLORING)

test-others:
	$(BIN)/pytest -q tests $(EXPLORING:%=--ignore=%)

check: setup  ## format, lint, types, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@mkdir -p .ns && ln -sfn .. .ns/kubeproof
	MYPYPATH=.ns $(BIN)/mypy -p kubeproof.models -p kubeproof.impl -p kubeproof.conformance
	MYPYPATH=.ns $(BIN)/mypy tests benchmarks
	$(BIN)/pytest -q tests/test_import_rule.py

benchmark: setup  ## measure speed and memory (benchmarks/README.md)
	for program in benchmarks/*.py; do echo "$$program"; $(BIN)/python -m benchmarks.$$(basename $$program .py) || exit 1; done

lock:  ## pin requirements.txt anew (needs uv)
	uv pip compile -q --universal --generate-hashes --no-annotate --no-header --python-version 3.11 --group dev pyproject.toml -o requirements.txt

clean:  ## remove what the other targets made
	rm -rf .venv .ns .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
