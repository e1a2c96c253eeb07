# The commands of this repository: `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help run demo clean

PYTHON ?= python3
N ?= 1000

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-8s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/installed: requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gatepost needs Python 3.11 or newer: make PYTHON=python3.x")'
	@echo "Installing the locked packages into .venv (again only when the lock changes)"
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@.venv/bin/pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: .venv/installed ## install, start everything, walk one registration through, and stay up
	@.venv/bin/python -m dev_stack run

demo: .venv/installed ## register N=1000 people at the running stack
	@.venv/bin/python -m dev_stack demo -n $(N)

clean: .venv/installed ## delete what `make run` has kept: its data, logs and secrets
	@.venv/bin/python -m dev_stack clean
