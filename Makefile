# `make` prints what there is. `run` and the tests install what they need themselves (scripts/tools.sh).
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup run check hooks test-fast test test-all bench fmt

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 #/p' Makefile | awk -F' #' '{printf "  make %-11s%s\n", $$1, $$2}'

setup: ## install everything the other targets need (into .tools and .venv; Debian packages as root)
	@scripts/tools.sh

run: ## push, pull, delete through the sidecar with a real registry and ChartMuseum, see each webhook (ONCE=1: then exit)
	@scripts/tools.sh python registry
	@python -m demo

check: ## format, lint, types, import contract
	@scripts/tools.sh python
	ruff format --check .
	ruff check .
	mypy sidecar tests demo bench
	lint-imports

hooks: ## run the commands of `check` before every commit (.pre-commit-config.yaml)
	@scripts/tools.sh python
	pre-commit install

test-fast: ## within two minutes, with nothing but Python: all tests that start no registry, ChartMuseum or client
	@scripts/tools.sh python
	python -m pytest --fast -n 4 $(ARGS)

test: ## all tests but the slow tier of real clients
	@scripts/tools.sh python run postgres
	python -m pytest -m "not clients" $(ARGS)

test-all: ## every test: also skopeo, docker, ctr, podman, crane, oras and helm through the sidecar
	@scripts/tools.sh
	python -m pytest $(ARGS)

bench: ## figures of this machine, each beside a peer, in about ten minutes (ARGS="--quick" or names)
	@scripts/tools.sh python run
	python -m bench $(ARGS)

fmt: ## format, and mend what the linter can
	@scripts/tools.sh python
	ruff format .
	ruff check --fix .
