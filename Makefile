# Run `make help` for what each target does.
PYTHON ?= $(or $(firstword $(wildcard .venv/bin/python .venv/Scripts/python.exe)),$(NO_VENV))
# Without .venv, an environment of yours is used; without any, one sentence says what to do.
NO_VENV = $(if $(VIRTUAL_ENV)$(filter-out base,$(CONDA_DEFAULT_ENV)),python,$(error \
  no .venv here: run ./build.sh, which makes it, or name a Python that has what is in requirements.txt: make PYTHON=python3))
SPHINXOPTS ?= -W --keep-going
JOBS ?= 0
SPHINX = $(PYTHON) -m sphinx $(SPHINXOPTS) -q -j auto -d _build/doctrees -D recipe_jobs=$(JOBS)
# Sphinx warns about a page only when it reads it: after an error, have it read them all again.
AGAIN = || { rm -rf _build/doctrees; exit 1; }
MARK ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:  # `make epub zips html` is an order
.PHONY: help html html-noplot new serve verify test coverage lint inventories data linkcheck epub
.PHONY: zips questions lighthouse screenshots bench lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

html:  ## build the site (RECIPE=slug: execute just that one; JOBS=n; CLUSTER=address)
	@$(SPHINX) -D recipe_only=$(RECIPE) -D recipe_cluster=$(CLUSTER) . _build/html $(AGAIN)
	@echo "the site: _build/html/index.html"

html-noplot:  ## typeset the site without executing anything
	@$(SPHINX) -D plot_gallery=0 . _build/html $(AGAIN)

data:  ## fetch the real data sets into data/, once; without them recipes use drawn ones
	@$(PYTHON) -m tools.fetch_data

verify:  ## run what readers download and compare it with the pages (RECIPE, JOBS, DEVICE=cuda)
	@$(PYTHON) -m tools.verify --jobs=$(JOBS) --recipe=$(RECIPE) --device=$(DEVICE)
	@$(SPHINX) . _build/html $(AGAIN)

test:  ## run all tests (MARK=expression: those whose markers match)
	@$(PYTHON) -m pytest -n logical --dist loadfile --no-loadscope-reorder $(if $(MARK),-m "$(MARK)")

coverage:  ## test recipe_gallery by itself, and say which lines no test reaches
	@$(PYTHON) -m pytest tests/recipe_gallery -m unit --cov=recipe_gallery --cov-fail-under=80 \
	  --cov-report=term-missing:skip-covered

lint:  ## check code, its imports, text and recipes
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m codespell_lib
	@$(PYTHON) -m sphinxlint --ignore docs/benchmark_results.rst index.rst docs recipes_source
	@$(PYTHON) -m tools.house_rules
	@$(PYTHON) -c "from importlinter.cli import lint_imports_command as lint; lint()" \
	  --no-logo --no-cache

lock:  ## write constraints.txt anew from the requirements files
	@$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	  --no-header --no-emit-index-url requirements-dev.txt -o constraints.txt

clean:  ## remove everything that was generated (not data/ and .venv/)
	rm -rf _build recipes

bench:  ## time this build beside others, on a machine that does nothing else
	@$(PYTHON) -m benchmarks.bench

inventories:  ## write docs/inventories from the real ones (OFFLINE=1: as those that are there)
	@$(PYTHON) -m tools.inventories $(if $(OFFLINE),--offline)

questions:  ## ask the built site's search what people ask: how often it finds (needs Chromium)
	@$(PYTHON) -m tools.questions

lighthouse:  ## score the built site in a phone and on a desk (RUNS=n; needs npm and Chromium)
	@RUNS=$(or $(RUNS),5) $(PYTHON) tests/browser/lighthouse.py

screenshots:  ## take the README's screenshots of the built site anew (needs Chromium)
	@$(PYTHON) tests/browser/screenshots.py

new:  ## start a recipe from the template (RECIPE=slug)
	@$(PYTHON) -m tools.new_recipe $(RECIPE)

serve:  ## build the site, show it on PORT, and again whenever a source changes
	@$(PYTHON) -m sphinx_autobuild $(SPHINXOPTS) -q -d _build/doctrees --port $(or $(PORT),8000) \
	  $(foreach f,_build recipes data tests tools benchmarks .venv .git,--ignore "$(CURDIR)/$f") \
	  --re-ignore "__pycache__|\.new$$" . _build/html

linkcheck:  ## try all links to other sites
	@$(SPHINX) -b linkcheck . _build/linkcheck $(AGAIN)

epub:  ## write the site as a book: _build/epub/PyTorchRecipes.epub
	@$(SPHINX) -b epub . _build/epub $(AGAIN)
	@touch docs/take_away.rst  # the next build shows it there

zips:  ## pack the built site, all scripts and all notebooks: _build/take_away
	@$(PYTHON) -m tools.pack_site
