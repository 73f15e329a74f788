# Every target sets up what it needs, from a fresh Debian or Ubuntu with Python 3.11 to 3.13, and is instant the second time.
#
#   VENV           environment to make or to use (.venv); one that holds torch keeps its torch
#   PYTHON         interpreter for a new environment (the first python3 from 3.11 to 3.13)
#   TORCH          what to install (the tested version):                    make demo TORCH='torch==2.9.1'
#   TORCH_BACKEND  cpu, auto (this machine's GPU), cu130, ... or none (as the package index gives it). Default: cpu, or
#                  none where PIP_FIND_LINKS names a folder with a torch wheel
#   ARGS           passed to the command or to pytest:                      make test ARGS='tests/core -x'

VENV ?= .venv
PYTHON ?=
TORCH ?= $(shell grep '^torch==' constraints.txt)
TORCH_BACKEND ?=
ARGS ?=
export VENV PYTHON TORCH TORCH_BACKEND

BIN := $(VENV)/bin
# A stamp is good for this folder and this wish for torch alone: a copied tree or another TORCH sets up anew.
WISH := $(shell echo '$(CURDIR) $(TORCH) $(TORCH_BACKEND)' | cksum | cut -d ' ' -f 1)
READY := $(VENV)/.opengato-$(WISH)
SETUP_INPUTS := pyproject.toml constraints.txt .ci/setup
# Without a way to draw, everything but the pictures of robots still works: .ci/gl says so and the work goes on.
DRAW := [ -e $(VENV)/.opengato-gl ] || if .ci/gl; then touch $(VENV)/.opengato-gl; fi

.DEFAULT_GOAL := help
.PHONY: help demo train-tiny doctor bench bench-quick test test-slow check fmt docs build gl clean distclean

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'
	@sed -n 's/^#   /  /p' Makefile

demo: $(READY)-demo  ## the shipped model at work, from nothing: what to see first
	@$(DRAW)
	@$(BIN)/opengato demo $(ARGS)

train-tiny: $(READY)-demo  ## train the shipped model again (resumes by itself)
	@$(DRAW)
	@$(BIN)/opengato train tiny $(ARGS)

doctor: $(READY)-demo  ## what this machine has, and what is missing
	@$(BIN)/python -m opengato.doctor $(ARGS)

# These measure errors and returns after minutes of training, and no speed.
BY_HAND = $(addprefix benchmarks/,maml_sinusoid.py moving_bandits.py motion.py)

bench: $(READY)-dev  ## every benchmark of speed, one after the other
	@$(DRAW)
	@for script in $(filter-out $(BY_HAND),$(sort $(wildcard benchmarks/[a-z]*.py))); do echo "== $$script"; $(BIN)/python $$script --short $(ARGS) || exit 1; done
	@echo "== benchmarks/_floors.py"; $(BIN)/python benchmarks/_floors.py

bench-quick:  ## the same at a tiny size: that they run
	@$(MAKE) --no-print-directory bench ARGS=--quick

# A failed check does not hide a failed test: both are run, and either fails.
test: $(READY)-dev  ## all checks, and all tests but the slow ones
	@$(DRAW)
	@failed=0; $(MAKE) --no-print-directory check || failed=1; \
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS) || failed=1; exit $$failed

test-slow: $(READY)-dev  ## the slow tests too: minutes of training each
	@$(DRAW)
	@$(BIN)/python -m pytest -m 'slow or not slow' --timeout 3600 $(ARGS)

check: $(READY)-dev  ## format, lint, types and import rules (seconds)
	@failed=0; \
	$(BIN)/ruff format --check . || failed=1; \
	$(BIN)/ruff check . || failed=1; \
	$(BIN)/ty check --python $(VENV) --output-format concise || failed=1; \
	$(BIN)/lint-imports --no-logo || failed=1; \
	exit $$failed

fmt: $(READY)-dev  ## format the tree and mend what the linter can mend
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

docs: $(READY)-dev  ## check that every link of the documentation leads somewhere
	@$(BIN)/python -m pytest -q tests/test_docs.py $(ARGS)

build: $(READY)-dev  ## a wheel and a source archive in dist/
	@PATH=".tools/bin:$$PATH" uv build --quiet --out-dir dist && ls dist

gl: $(READY)-demo  ## make pictures of robots possible without a screen
	@.ci/gl && touch $(VENV)/.opengato-gl

$(READY)-demo: $(SETUP_INPUTS)
	@.ci/setup demo
	@rm -f $(VENV)/.opengato-* && touch $@

$(READY)-dev: $(SETUP_INPUTS)
	@.ci/setup demo,dev
	@rm -f $(VENV)/.opengato-* && touch $(READY)-demo $@

clean:  ## remove caches and built packages
	@rm -rf dist build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove the environment that make made
	@rm -rf .venv .tools
