# Everything a developer runs. Each target sets up what it needs first.
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup venv tools test check format demo picture run bench kill killregistry fuzz \
	soak constraints

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: venv tools ## make .venv and .tools

venv:
	@tests/tools/venv.sh

tools: venv
	@tests/tools/install.sh

test: setup ## set up, check, and run all tests; ARGS="..." goes to pytest
	@$(MAKE) --no-print-directory check
	$(VENV)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

check: venv ## format, lint, types, import contracts
	$(VENV)/ruff format --check
	$(VENV)/ruff check
	$(VENV)/mypy
	$(VENV)/lint-imports

format: venv ## rewrite the code in the project's format
	$(VENV)/ruff format
	$(VENV)/ruff check --fix

demo: venv ## what image-sync does, in seconds; ARGS="--keep" leaves it running
	@$(VENV)/image-sync demo $(ARGS)

picture: venv ## draw docs/demo.svg anew, from a run of the demo
	@$(VENV)/python -m tests.tools.picture docs/demo.svg

run: venv ## one pass over CONFIG=FILE; ARGS="..." goes to image-sync
	@test -n "$(CONFIG)" || { echo "make run CONFIG=image-sync.yaml" >&2; exit 2; }
	@$(VENV)/image-sync --once --config "$(CONFIG)" $(ARGS)

bench: setup ## print figures of speed and memory; ARGS="..." goes to the benchmark
	@$(VENV)/python -m tests.bench $(ARGS)

kill: setup ## kill -9 whoever takes part in 200 copies; ARGS="..." goes to tests.kill
	@$(VENV)/python -m tests.kill $(ARGS)

killregistry: setup ## kill -9 the embedded registry amid 200 pushes; ARGS="..." as above
	@$(VENV)/python -m tests.embedded.killing $(ARGS)

fuzz: setup ## 100,000 hostile requests to the embedded registry; ARGS="..." as above
	@$(VENV)/python -m tests.embedded.fuzzing $(ARGS)

soak: setup ## 15 minutes of trouble for one running process; ARGS="..." goes to tests.soak
	@$(VENV)/python -m tests.soak $(ARGS)

# Newest versions that pyproject.toml allows, tried in an environment of their own.
constraints: ## renew constraints.txt
	@rm -rf .tools/constraints && python3 -m venv .tools/constraints
	@.tools/constraints/bin/pip install --quiet --upgrade pip
	@.tools/constraints/bin/pip install --quiet --editable . --group dev hatchling editables
	@{ sed '/^#/!d' constraints.txt; \
	   .tools/constraints/bin/pip freeze --all --exclude-editable | grep -v '^setuptools=='; \
	 } > .tools/constraints.txt && mv .tools/constraints.txt constraints.txt
	@rm -rf .tools/constraints
