# Kojo: a plant from bare Debian hosts. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PLANT ?= inventories/plant_a
BIN := $(CURDIR)/.venv/bin
LAB := tools/lab/enter
export PATH := $(BIN):$(PATH)
export KOJO_PLANT := $(abspath $(PLANT))
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help plant test fuzz clean root setup secrets wheelhouse release lab lint unit plant-test bluegreen-test figures picture docs

help: ## what there is
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

plant: setup secrets wheelhouse lab ## the whole plant in containers on this machine, from nothing
	ansible-playbook site.yml -i $(PLANT)
	@python -m tools.addresses $(PLANT)

test: setup ## everything that guards a change: lint, unit tests, plant tests in Molecule
	tools/test

fuzz: setup ## the API against its OpenAPI document, longer than in `make test`: ROUTES='POST.*lots' EXAMPLES=50 SEED=7
	tools/fuzz "$(ROUTES)" "$(EXAMPLES)" "$(SEED)"

clean: root ## remove every container, network, route, namespace and file that these targets made
	tools/clean

root:
	@[ "$$(id -u)" = 0 ] || { echo "make: run this as root or with sudo" >&2; exit 1; }

setup: root ## packages and virtual environments of the control node
	@tools/setup

secrets: setup ## the plant's missing secrets, into group_vars/all/secrets.yml
	@python -m tools.secrets $(PLANT)

wheelhouse: setup ## the service and all it needs, as one archive for hosts without a way out
	@python -m tools.wheelhouse

release: setup ## the wheelhouse of what is committed, and its signed manifest: RELEASE_KEY=~/.ssh/id_ed25519
	@python -m tools.release

lab: setup ## the bare hosts of the plant as containers
	@$(LAB) molecule reset > /dev/null && $(LAB) molecule create

lint: setup ## ansible-lint (profile production), ruff, mypy
	tools/test lint

unit: setup ## tests that need no plant
	tools/test unit

plant-test: setup ## the plant's guarantees, in Molecule
	tools/test plant

bluegreen-test: setup ## releases that come, go back, are cut and refused, in Molecule
	tools/test bluegreen

picture: setup ## docs/plant_a.svg, from the inventory
	python -m tools.plant_picture $(PLANT) docs/$(notdir $(PLANT)).svg

docs: setup ## the roles' READMEs, from their argument_specs
	python -m tools.role_readme

figures: ## the figures that can be measured, a line each
	@python3 -m tools.figures

figure-%: setup ## measure one figure
	@python -m tools.figures.$(subst -,_,$*)
