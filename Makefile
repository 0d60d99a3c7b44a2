# Run `make help` for what each target does.
PYTHON ?= $(or $(firstword $(wildcard .venv/bin/python .venv/Scripts/python.exe)),$(NO_VENV))
# Without .venv, an environment of yours is used; without any, one sentence says what to do.
NO_VENV = $(if $(VIRTUAL_ENV)$(filter-out base,$(CONDA_DEFAULT_ENV)),python,$(error \
  no .venv here: run ./build.sh, which makes it, or name a Python that has what is in requirements.txt: make PYTHON=python3))
RUN = "$(PYTHON)"
# One sentence where the environment lacks what a target needs.
NEEDS = @$(RUN) -m tools.needs $@
JOBS ?= 0
# On a terminal, Sphinx shows how far it is.
SPHINX = $(RUN) -m sphinx $(SPHINXOPTS) $(if $(MAKE_TERMOUT),,-q) -j auto -D "recipe_jobs=$(JOBS)"
MARK ?=
# make takes any name: RECIP=x would build everything.
NAMES = PYTHON SPHINXOPTS JOBS MARK RECIPE CLUSTER DEVICE TIMES SEED OFFLINE RUNS PORT SITE_URL \
  GITHUB_REPOSITORY ENVIRONMENT ALL KEEP FOLDER
UNKNOWN := $(strip $(foreach name,$(filter-out $(NAMES),$(.VARIABLES)),\
  $(if $(filter command,$(origin $(name))),$(name))))
$(if $(UNKNOWN),$(error $(firstword $(UNKNOWN)) is no setting of this Makefile; it has $(NAMES)))

.DEFAULT_GOAL := help
.NOTPARALLEL:  # `make epub zips html` is an order
.PHONY: help html html-noplot new serve check verify versions claims test coverage lint inventories data
.PHONY: linkcheck epub zips questions lighthouse screenshots bench repeat lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

html:  ## build the site (RECIPE=slug: execute just that one; JOBS=n; CLUSTER=address)
	$(NEEDS) sphinx
	@$(SPHINX) -D "recipe_only=$(RECIPE)" -D "recipe_cluster=$(CLUSTER)" . _build/html
	@echo "the site: _build/html/index.html"

html-noplot:  ## typeset the site without executing anything
	$(NEEDS) sphinx
	@$(SPHINX) -D plot_gallery=0 . _build/html
	@echo "the site: _build/html/index.html"

data:  ## fetch the real data sets into data/, once; without them recipes use drawn ones
	$(NEEDS) torchvision
	@$(RUN) -m tools.fetch_data

check:  ## all that one recipe must pass before it is committed (RECIPE=slug)
	$(NEEDS) sphinx nbclient ipykernel pytest
	@$(RUN) -m tools.check "$(RECIPE)"

verify:  ## run what readers download and compare it with the pages (RECIPE, JOBS, DEVICE=cuda)
	$(NEEDS) sphinx nbclient ipykernel
	@$(RUN) -m tools.verify "--jobs=$(JOBS)" "--recipe=$(RECIPE)" "--device=$(DEVICE)"
	@$(SPHINX) . _build/html

versions:  ## run scripts on other versions, record it (RECIPE, ENVIRONMENT, ALL=1, KEEP=1, FOLDER, JOBS)
	$(NEEDS) sphinx uv
	@$(RUN) -m tools.versions "--jobs=$(JOBS)" "--recipe=$(RECIPE)" "--environment=$(ENVIRONMENT)" \
	  "--all=$(ALL)" "--keep=$(KEEP)" "--folder=$(FOLDER)"

claims:  ## edit recipes: each must fail or hold as tests/claims.toml says (RECIPE, ALL=1, JOBS)
	$(NEEDS) sphinx
	@$(RUN) -m tools.claims --record "--jobs=$(JOBS)" "--recipe=$(RECIPE)" "--all=$(ALL)"

test:  ## run all tests (MARK=expression: those whose markers match)
	$(NEEDS) pytest xdist pytest_timeout
	@$(RUN) -m pytest -n logical --dist loadfile --no-loadscope-reorder $(if $(MARK),-m "$(MARK)")

coverage:  ## test recipe_gallery by itself, and say which lines no test reaches
	$(NEEDS) pytest pytest_cov
	@$(RUN) -m pytest tests/recipe_gallery -m unit --cov=recipe_gallery --cov-fail-under=80 \
	  --cov-report=term-missing:skip-covered

lint:  ## check code, its imports, text and recipes
	$(NEEDS) ruff codespell_lib sphinxlint importlinter sphinx
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m codespell_lib
	@$(RUN) -m sphinxlint --ignore docs/benchmark_results.rst index.rst docs recipes_source
	@$(RUN) -m tools.house_rules
	@$(RUN) -c "from importlinter.cli import lint_imports_command as lint; lint()" \
	  --no-logo --no-cache

lock:  ## write constraints.txt anew from the requirements files
	$(NEEDS) uv
	@$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
	  --no-header --no-emit-index-url requirements-dev.txt -o constraints.txt

clean:  ## remove everything that was generated (not data/ and .venv/)
	rm -rf _build recipes

bench:  ## time this build beside others, on a machine that does nothing else
	$(NEEDS) sphinx
	@$(RUN) -m benchmarks.bench

repeat:  ## run all recipes TIMES times, under load, each time with another hash seed (RECIPE, JOBS, SEED)
	$(NEEDS) sphinx
	@$(RUN) -m tools.repeat --times=$(or $(TIMES),20) --seed=$(or $(SEED),1) "--jobs=$(JOBS)" "--recipe=$(RECIPE)"

inventories:  ## write docs/inventories from the real ones (OFFLINE=1: as those that are there)
	$(NEEDS) sphinx torch
	@$(RUN) -m tools.inventories $(if $(OFFLINE),--offline)

questions:  ## ask the built site's search what people ask: how often it finds (needs Chromium)
	$(NEEDS) pytest playwright
	@$(RUN) -m tools.questions

lighthouse:  ## score the built site in a phone and on a desk (RUNS=n; needs npm and Chromium)
	$(NEEDS) pytest playwright
	@RUNS=$(or $(RUNS),5) PYTHONPATH=. $(RUN) tests/browser/lighthouse.py

screenshots:  ## take the README's screenshots of the built site anew (needs Chromium)
	$(NEEDS) pytest playwright
	@PYTHONPATH=. $(RUN) tests/browser/screenshots.py

new:  ## start a recipe from the template (RECIPE=slug)
	@$(RUN) -m tools.new_recipe "$(RECIPE)"

serve:  ## build the site, show it on PORT, and again whenever a source changes
	$(NEEDS) sphinx sphinx_autobuild --port=$(or $(PORT),8000)
	@$(RUN) -m sphinx_autobuild $(SPHINXOPTS) -q -D warnings_are_errors=0 --port $(or $(PORT),8000) \
	  $(foreach f,_build recipes data tests tools benchmarks .venv .git,--ignore "$(CURDIR)/$f") \
	  --re-ignore "__pycache__|\.new$$" . _build/html

linkcheck:  ## try all links to other sites
	$(NEEDS) sphinx
	@$(SPHINX) -b linkcheck . _build/linkcheck || { echo "links are broken (all? then there is no" \
	  "network): _build/linkcheck/output.txt lists them"; exit 1; }

epub:  ## write the site as a book: _build/epub/PyTorchRecipes.epub
	$(NEEDS) sphinx
	@$(SPHINX) -b epub . _build/epub

zips:  ## pack the built site, all scripts and all notebooks: _build/take_away
	@$(RUN) -m tools.pack_site
