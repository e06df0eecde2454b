# Bifrost. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# Every target with a line of help is a command, not a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

# A Python that the desk can run on (3.11 to 3.13): the first one found, or name it: make run PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
PYTHON := $(or $(PYTHON),python3)
export SCENARIO TWS YES
VENV := .venv
DEV := .venv-dev
# Most tests wait for processes: three workers keep two cores busy. A file stays on one worker with what it started.
WORKERS ?= 3
DESK = $(VENV)/bin/python -m bifrost_desk
WHICH = $(if $(TWS),--tws $(TWS),$(if $(SCENARIO),--scenario $(SCENARIO)))
COMPOSE = tools/desk/compose

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: env ## the whole desk as local processes, until Ctrl-C [SCENARIO=name-or-file | TWS=host:port]
	@$(PYTHON) tools/desk/web.py --optional
	@$(DESK) run $(WHICH)

up: ## the whole desk in containers (Docker Compose) [SCENARIO=name | TWS=host:port]
	@$(COMPOSE) up -d --build
	@$(COMPOSE) link

down: ## stop the containers; the data stays
	@$(COMPOSE) down

ps: ## what runs, as containers or as local processes
	@if $(COMPOSE) running; then $(COMPOSE) ps; else $(MAKE) -s env && $(DESK) ps $(WHICH); fi

logs: ## follow one service's log: make logs S=engine (or pricer, monitor, simulator, backtest)
	@test -n "$(S)" || { echo "name a service: make logs S=engine (or pricer, monitor, simulator, backtest)" >&2; exit 2; }
	@if $(COMPOSE) running; then $(COMPOSE) log $(S); else $(MAKE) -s env && $(DESK) logs $(S) $(WHICH); fi

token: ## print the link that signs the browser in
	@if $(COMPOSE) running; then $(COMPOSE) link; else $(MAKE) -s env && $(DESK) token $(WHICH); fi

reset: env ## remove a scenario's database, account and logs, after asking [SCENARIO=name | ALL=1] [YES=1]
	@$(DESK) reset $(WHICH) $(if $(ALL),--all) $(if $(YES),--yes)
	@$(COMPOSE) reset

gateway: env ## the simulated IB Gateway alone, for a program of your own [SCENARIO=file, SIM_PORT, SIM_ADMIN_PORT]
	@echo "simulated IB Gateway on 127.0.0.1:$${SIM_PORT:-4002}, admin API on http://127.0.0.1:$${SIM_ADMIN_PORT:-4010}; Ctrl-C stops it"
	@exec $(VENV)/bin/python -m bifrost_simulator run --scenario $(or $(SCENARIO),config/scenarios/gateway.yaml)

bench: dev-env ## a measurement beside its peer: make bench B=sim_ticks (without B: what there is) [ARGS="--repeats 3"]
	@$(DEV)/bin/python -m bench $(B) $(ARGS)

test: dev-env client-envs lint web ## all tests, with an ephemeral database [ARGS="tests/desk -k ports"]
	@$(DEV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: dev-env ## style, types and import rules
	@$(DEV)/bin/ruff check . && $(DEV)/bin/ruff format --check -q . && $(DEV)/bin/mypy && PYTHONPATH=. $(DEV)/bin/lint-imports --no-cache

chaos: dev-env ## 50 kills, 50 cuts, 20 database stops and more on real processes, in about 40 minutes [ARGS="--seed N"]
	@$(DEV)/bin/python -m tests.chaos $(ARGS)

soak: dev-env ## the whole desk for 8 market hours at 20x: nothing may grow [ARGS="--speed 1 --minutes 90"]
	@$(DEV)/bin/python -m tests.soak $(ARGS)

sim: dev-env ## simulated days with faults on virtual time; the same seed replays exactly [SEED=1] [DAYS=5] [FAULTS=12] [SWEEP=all]
	@$(DEV)/bin/python -m tests.sim --seed $(or $(SEED),1) --days $(or $(DAYS),5) --faults $(or $(FAULTS),12) \
		$(if $(SWEEP),--sweep "$(SWEEP)")

sim-long: dev-env ## 1,000 simulated days and 10,000 faults, 90 minutes a sitting, resumable [ARGS="--minutes 30"]
	@nice -n 10 $(DEV)/bin/python -m tests.sim.long $(ARGS)

diagrams: dev-env ## draw the state machines of docs/machines.md from their tables
	@$(DEV)/bin/python -m bifrost_engine.domain.machines.diagrams docs/machines.md

acceptance: dev-env ## write docs/acceptance.md from the IDs that the tests carry
	@$(DEV)/bin/python -m tests.contract.test_acceptance_ids

invariants: dev-env ## write docs/invariants.md from its sentences and the IDs that the tests carry
	@$(DEV)/bin/python -m tests.contract.test_invariants

mutation: dev-env ## plant each small mistake into gates, machines, sizes and dimensions [ARGS="--only cooldown"]
	@nice -n 10 $(DEV)/bin/python -m tests.mutation $(ARGS)

openapi: dev-env ## write the API's document, tests/contract/openapi.json, from which the page's types are made
	@$(DEV)/bin/python -m bifrost_monitor.contract tests/contract/openapi.json

picture: dev-env ## take the pictures of the READMEs from the desk that runs now [BROWSER=/path/to/chromium]
	@$(DEV)/bin/python tools/desk/picture.py $(or $(BROWSER),$(shell command -v chromium))

tape: env ## record the small market day that the project ships, by its own simulator
	@$(VENV)/bin/python -m bifrost_simulator record-tape --scenario config/scenarios/tape/recorded-from.yaml --out config/scenarios/tape/lean

web: ## build the page (Node from the system, else from a wheel); once, until its sources change
	@$(PYTHON) tools/desk/web.py

env: ## the environment of `make run` (.venv), from the hashed lock file
	@$(PYTHON) tools/desk/environment.py --folder $(VENV) --lock requirements/runtime.lock

dev-env: ## the environment of `make test` (.venv-dev)
	@$(PYTHON) tools/desk/environment.py --folder $(DEV) --lock requirements/dev.lock

# Client libraries that cannot live beside ib_insync, each with the gateway's tests in an environment of its own.
client-envs: ## the environments of ib_async and ibapi, clients that `make test` runs against the simulator
	@$(PYTHON) tools/desk/environment.py --folder .venv-ib_async --lock requirements/ib_async.lock \
		--packages services/common services/simulator
	@$(PYTHON) tools/desk/environment.py --folder .venv-ibapi --lock requirements/ibapi.lock --packages
