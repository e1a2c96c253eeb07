# The commands of this repository: `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run demo clean test check react format lock bench faults up down native

PYTHON ?= python3
N ?= 1000
PARALLEL ?= -n 4 --dist loadfile --no-loadscope-reorder
ARGON2_CFLAGS ?= -O3 -march=x86-64-v3

help: ## list the commands
	@test -t 1 && set -- -v 'bold=\033[1m' -v 'plain=\033[0m'; awk "$$@" -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %smake %-8s%s %s\n", bold, $$1, plain, $$2 }' $(MAKEFILE_LIST)

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gatepost needs Python 3.11 or newer: make PYTHON=python3.x")'
	@echo "Installing the locked packages into .venv: about a minute, 640 MB (again only when the lock changes)"
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@# pip's own choice is a page for each package or nothing at all; its complaints go to stderr.
	@rm -f $@; live=0; test -t 1 && live=1; { PYTHONUNBUFFERED=1 .venv/bin/pip install --disable-pip-version-check --progress-bar off \
	  --require-hashes -r requirements-dev.lock && touch $@; } | awk -v live=$$live ' \
	    /^Collecting / { got++; if (live) { printf "\r  %d packages fetched", got; fflush() } } \
	    /^Installing / { printf "%s  %d packages fetched, unpacking them\n", live ? "\r" : "", got; fflush() }'
	@test -e $@

run: .venv/installed ## install, start everything, walk one registration through, and stay up
	@.venv/bin/python -m dev_stack run

demo: .venv/installed ## register N=1000 people at the running stack
	@.venv/bin/python -m dev_stack demo -n $(N)

clean: .venv/installed ## delete what `make run` has kept: its data, logs and secrets
	@.venv/bin/python -m dev_stack clean

test: .venv/installed ## install and run every test, on real Postgres, Valkey and Kafka
	@.venv/bin/pytest $(PARALLEL)

check: .venv/installed ## the gate: format, lint, types, imports, tests with coverage
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --config .importlinter --no-logo
	.venv/bin/pytest $(PARALLEL) --cov --cov-report=term --cov-fail-under=90

react: ## check and build clients/react: Node 20.19 or newer with npm
	@cd clients/react && npm ci --no-audit --no-fund && npm run check

format: .venv/installed ## format the code and mend what the linter can mend
	@.venv/bin/ruff check --fix-only -q .
	@.venv/bin/ruff format .

lock: .venv/installed ## resolve the locks again from pyproject.toml
	@for lock in "requirements.lock" "requirements-dev.lock --group stack --group tools -c requirements.lock"; do \
	  .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header pyproject.toml -o $$lock; done

bench: .venv/installed ## what Gatepost costs and bears, as a report in .reports/bench (SIZE=full: all of it)
	@.venv/bin/python -m tests.bench $(SECTIONS)

faults: .venv/installed ## what is lost when a part fails, as a report in .reports/faults (SIZE=full, WORDS="kill redis")
	@.venv/bin/python -m tests.fault_matrix $(WORDS)

up: ## start everything with docker compose; writes a missing .env
	@docker compose version >/dev/null 2>&1 || { echo "make up needs Docker with Compose; make run needs neither."; exit 1; }
	@$(PYTHON) -m dev_stack.env_file
	@docker compose up --build --wait
	@docker compose exec -T user-service python -c 'print(open("/opt/venv/argon2.txt").read(), end="")'
	@echo "API docs  http://$$(docker compose port user-service 3000 | sed s/127.0.0.1/localhost/)/docs"
	@echo "Health    http://$$(docker compose port user-service 3000 | sed s/127.0.0.1/localhost/)/health"
	@mailbox=$$(docker compose port mailbox 8025 2>/dev/null | sed s/127.0.0.1/localhost/); \
	  test -z "$$mailbox" || echo "Mailbox   http://$$mailbox/"

down: ## stop what `make up` has started; its data stays
	@docker compose --profile '*' down

native: .venv/installed ## build Argon2 into .venv for this CPU: 1.6 to 1.9 times the hashes
	@.venv/bin/python -m dev_stack.native_argon2 --flags="$(ARGON2_CFLAGS)"
