# One verb for each thing people do. `make` alone lists them.

PORT ?= 8501
BUNDLE ?=
PYTHON ?= python3.13 python3.12 python3.11 python3

BIN := .venv/bin
APP_READY := .venv/.app-ready
DEV_READY := .venv/.dev-ready
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-compile --require-hashes \
	--only-binary :all:
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade

# The whole suite takes two processes, and so two cores and 6 GB; a part of it is not worth the start of the second. A file
# stays with one of them, as do the networks and bundles that its tests share; tests/conftest.py says which come first.
WORKERS := --numprocesses=2 --dist=loadfile --no-loadscope-reorder

# Packages are installed uncompiled (that halves the time) and compiled when first imported, so Python must be free to
# keep what it compiled: otherwise every start would cost the 20 seconds that only the first one should.
unexport PYTHONDONTWRITEBYTECODE

# What is installed belongs to this folder alone.
unexport PYTHONPATH
unexport PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help app test fuzz screenshot train train-arguments bench catalogues lint format lock image clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'

app: $(APP_READY) ## start the app on 127.0.0.1 (PORT=8501, BUNDLE=name)
	@exec $(BIN)/python -m app --port '$(PORT)' $(if $(BUNDLE),--bundle '$(BUNDLE)')

test: $(DEV_READY) ## run the whole test suite (ARGS="-k name" …: pytest's)
	@exec $(BIN)/python -m pytest $(or $(ARGS),$(WORKERS))

fuzz: $(DEV_READY) ## read 60,000 damaged files, a minute (ARGS="--inputs 1000 DICOM PNG": for each of these formats)
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

screenshot: $(DEV_READY) ## take the README's screenshot anew, in the browser tests
	@PNEUMOLENS_SCREENSHOT=1 $(BIN)/python -m pytest tests/browser

train: train-arguments $(APP_READY) ## train a model of your own: DATA=folder NAME=name (ARGS="--views 2" …: the trainer's)
	@exec $(BIN)/python -m training train '$(DATA)' --name '$(NAME)' $(ARGS)

bench: $(DEV_READY) ## measure the speed, half an hour on an idle machine (ARGS=--quick: half as long); see docs/speed.md
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.report

catalogues: $(APP_READY) ## take new texts of the page up into the catalogues of its languages; names what is to be translated
	@exec $(BIN)/python -m app.catalogues

lint: $(DEV_READY) ## check style, format and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

format: $(DEV_READY) ## put the code in its one format
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

lock: $(DEV_READY) ## resolve the requirements anew and write the lock files
	@$(LOCK) requirements-uv.txt --output-file requirements-uv.lock
	@$(LOCK) requirements.txt --output-file requirements.lock
	@$(LOCK) --constraints requirements.lock requirements-light.txt --output-file requirements-light.lock
	@$(LOCK) --constraints requirements.lock requirements-dev.txt --output-file requirements-dev.lock
	@$(LOCK) --constraints requirements.lock requirements-gpu.txt --output-file requirements-gpu.lock
	@$(LOCK) --constraints requirements.lock requirements-download.txt --output-file requirements-download.lock
	@$(LOCK) --constraints requirements.lock requirements-cluster.txt --output-file requirements-cluster.lock
	@$(LOCK) requirements-int8.txt --output-file requirements-int8.lock # NNCF wants an older NumPy from Python 3.12 on

image: ## build the container's CPU image with Docker and tag it pneumolens
	docker build --tag pneumolens .

clean: ## remove the virtual environment, caches and test leftovers; models and runs stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Before anything is installed.
train-arguments:
	@if [ -z '$(DATA)' ] || [ -z '$(NAME)' ]; then \
		echo 'make train needs a folder of radiographs and a name for the model: make train DATA=folder NAME=name' >&2; \
		echo "Received: DATA='$(DATA)' NAME='$(NAME)'" >&2; exit 2; \
	fi

# Each .ready file is touched last, so an interrupted installation starts over.
$(APP_READY): requirements.lock requirements-uv.lock
	@$(call install,requirements.lock)
	@touch $@

# The test requirements contain the app's, in the same versions.
$(DEV_READY): requirements-dev.lock requirements-uv.lock
	@$(call install,requirements-dev.lock)
	@touch $(APP_READY) $@

# A virtual environment that lost its Python (an upgraded system) counts as not installed.
ifneq ($(wildcard .venv),)
ifneq ($(shell $(BIN)/python -c 'import pip' 2>/dev/null && echo whole),whole)
.PHONY: $(APP_READY) $(DEV_READY)
endif
endif

# uv, itself installed by hash, needs a third of pip's processor time. Where it cannot reach what pip is configured for
# (a mirror in pip's own configuration, a company's certificate), pip does the work.
define install
	set -e; \
	$(BIN)/python -c 'import pip' 2>/dev/null || { $(create_environment); }; \
	echo 'Installing from $(1) into .venv (about 700 MB to fetch the first time: one to three minutes) …'; \
	$(PIP) --requirement requirements-uv.lock; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --only-binary :all: --requirements $(1) || \
		$(PIP) --requirement $(1)
endef

# The first of $(PYTHON) that runs and is of a supported version; the versions that were found go into the error.
define create_environment
	chosen=; found=; \
	for candidate in $(PYTHON); do \
		version=$$($$candidate -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		found="$$found $$candidate=$$version"; \
		case $$version in 3.11|3.12|3.13) chosen=$$candidate; break;; esac; \
	done; \
	if [ -z "$$chosen" ]; then \
		echo "PneumoLens needs Python 3.11, 3.12 or 3.13. Found:$${found:- no Python}." >&2; \
		echo 'Install one of them, or name it: make PYTHON=/path/to/python3.12 …' >&2; exit 1; \
	fi; \
	$$chosen -m venv --clear .venv || { \
		echo "$$chosen could not create .venv. On Debian and Ubuntu: apt install $${chosen##*/}-venv" >&2; exit 1; }
endef
