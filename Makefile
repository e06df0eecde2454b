# Bifrost. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run up down ps logs token reset test sim sim-long chaos soak bench lint env dev-env tape diagrams

# A Python that the desk can run on (3.11 to 3.13): the first one found, or name it: make run PYTHON=python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
PYTHON := $(or $(PYTHON),python3)
SCENARIO ?=
VENV := .venv
DEV := .venv-dev
DESK = $(VENV)/bin/python -m bifrost_desk
SCENARIO_OPTION = $(if $(SCENARIO),--scenario $(SCENARIO),)
COMPOSE = tools/desk/compose

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

env:
	@$(PYTHON) tools/desk/environment.py --folder $(VENV) --lock requirements/runtime.lock

dev-env:
	@$(PYTHON) tools/desk/environment.py --folder $(DEV) --lock requirements/dev.lock

run: env ## the whole desk as local processes, until Ctrl-C [SCENARIO=config/scenarios/NAME.yaml]
	@$(DESK) run $(SCENARIO_OPTION)

up: ## the whole desk in containers (Docker Compose), in the background
	@$(COMPOSE) up -d --build
	@$(COMPOSE) link

down: ## stop the containers; data stays
	@$(COMPOSE) down

ps: ## what runs, as containers or as local processes
	@if $(COMPOSE) running; then $(COMPOSE) ps; else $(MAKE) -s env && $(DESK) ps $(SCENARIO_OPTION); fi

logs: ## follow one service's log: make logs S=engine|pricer|monitor|simulator
	@test -n "$(S)" || { echo "name a service: make logs S=engine (or pricer, monitor, simulator)"; exit 2; }
	@if $(COMPOSE) running; then $(COMPOSE) log $(S); else $(MAKE) -s env && $(DESK) logs $(S) $(SCENARIO_OPTION); fi

token: ## print the link that signs the browser in
	@if $(COMPOSE) running; then $(COMPOSE) link; else $(MAKE) -s env && $(DESK) token $(SCENARIO_OPTION); fi

reset: env ## remove a scenario's database, account and logs, after asking [SCENARIO=… | ALL=1] [YES=1]
	@$(DESK) reset $(SCENARIO_OPTION) $(if $(ALL),--all,) $(if $(YES),--yes,)

test: dev-env lint ## all tests, with an ephemeral database
	@$(DEV)/bin/python -m pytest $(ARGS)

lint: dev-env ## style, types and import rules
	@$(DEV)/bin/ruff check . && $(DEV)/bin/ruff format --check -q . && $(DEV)/bin/mypy && PYTHONPATH=. $(DEV)/bin/lint-imports --no-cache

bench: dev-env ## measurements beside a peer or the floor: make bench B=name
	@$(DEV)/bin/python -m bench $(B)

diagrams: dev-env ## draw the state machines of docs/ from their tables
	@$(DEV)/bin/python -m bifrost_engine.domain.machines.diagrams docs/machines.md

tape: env ## record the small tape that the project ships from its own simulator
	@$(VENV)/bin/python -m bifrost_simulator record-tape
