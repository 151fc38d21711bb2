# tests/test_site*.py look at a built site, so they run after `make book`, as .ci/run does.
# Each target sets up the environment .venv by itself, once, and again when the pins change.
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
JOBS ?= 2
BOOK_FLAGS ?=
CHECK :=
# Threads that spin while they wait make a training step beside another busy process many times slower: `train` looks whether there
# is one (flowlib/threads.py), everything else lets them sleep.
book notebooks figures execute test colab-check: export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup train book notebooks pdf slides figures execute test colab-check assignments lint derived clean

help:            ## show this list
	@awk '/^[a-z-]+:.*## / { name = $$0; sub(/:.*/, "", name); sub(/.*## /, ""); printf "  make %-13s%s\n", name, $$0 }' Makefile

setup: $(READY)  ## set up the environment .venv and nothing else, as every other target does where it is missing

train: $(READY)  ## train the model on the embedded digits (options in ARGS="…"); goes on where it stopped
	$(PY) -m flowlib train $(ARGS)

book: $(READY)   ## build the site from the committed outputs into _build/html
	$(VENV)/bin/jupyter-book build . --quiet $(BOOK_FLAGS)
	@$(PY) book/_tools/check_pages.py

notebooks: book  ## the chapters as plain notebooks for Colab and any Jupyter: each build of the site writes them
	@echo "plain notebooks: _build/html/notebooks"

pdf: $(READY)    ## print the built site as one PDF, _build/flowlib-book.pdf (needs Chromium and its driver)
	@test -f _build/html/index.html || $(MAKE) book
	$(PY) book/_tools/pdf.py

slides: $(READY)  ## two lectures as slides, from the built chapters, into _build/slides (others in ARGS="02 05")
	@test -f _build/html/index.html || $(MAKE) book
	$(PY) book/_tools/slides.py $(ARGS)

figures: $(READY)  ## all figures of the book as SVG, into _build/figures (runs the chapters, or those in NOTEBOOKS="…")
	$(PY) book/_tools/figures.py $(NOTEBOOKS)

execute: $(READY)  ## run every notebook afresh (or those in NOTEBOOKS="…") and keep the outputs
	$(PY) book/_tools/execute.py $(or $(NOTEBOOKS),--all)

test: export OMP_NUM_THREADS ?= 1# JOBS processes share the cores already
test: $(READY)   ## run the unit tests, then validate every output of the book
	$(PY) -m pytest -n $(JOBS) --dist loadfile --ignore-glob='tests/test_site*.py'
	$(PY) -m pytest --nbval book/ -n $(JOBS) --dist loadfile

colab-check: notebooks  ## run the plain notebooks as Colab would, in an environment of their own (ARGS="01 08 --limit 600")
	$(PY) book/_tools/colab_check.py $(ARGS)

assignments: $(READY)  ## build the assignments for students, and with solutions, into _build/assignments
	$(PY) -m flowlib.teaching build

lint: $(READY)   ## look whether the code is written as ruff would write it (`ruff format .` mends it), the page's scripts and derived texts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/biome lint --error-on-warnings
	@$(MAKE) --no-print-directory derived CHECK=--check

derived: $(READY)  ## rewrite what pages and README derive from elsewhere: the book's address, tables of results, course times
	$(PY) book/_tools/address.py $(CHECK)
	$(PY) book/_tools/results_table.py $(CHECK)
	$(PY) book/_tools/course_times.py $(CHECK)

clean:           ## remove what the commands wrote, but not the environment
	rm -rf _build .colab build *.egg-info .pytest_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(READY): requirements.txt pyproject.toml
	@sh book/_tools/environment.sh $(VENV)
	@touch $@
