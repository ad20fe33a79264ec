# make run     sets up what is missing and starts the app          (PORT, ADDRESS, DATA_DIR)
# make replicas  several of it behind one nginx                    (REPLICAS, PORT, ADDRESS, DATA_DIR)
# make test    sets up what is missing and runs the tests         (TEST_WORKERS: files of tests at a time)
# make test-mnist  of these the ones that need MNIST in DATA_DIR; without it they are skipped
# make test-slow  killed processes, replicas, clusters, every language and way of starting (a quarter of an hour)
# make journeys  through whole lessons, a projector's screens and a class together, in a browser (a quarter of an hour)
# make lint    ruff and mypy
# make bench   timings, as ratios within one run
# make load    odd files, links and values, a whole class at once, reloads, first visits: waiting times and memory (three to four hours)
# make soak    mixed work for MINUTES (40), then the slope of the memory
# make lock    exact versions of what pyproject.toml asks for   (UPGRADE=1: the newest that it allows)
# make audit   known vulnerabilities of what is installed (asks PyPI)
# make sweep   a grid of detectors as one table        (SWEEP: what to vary, as in docs/sweep.md)
# make checkpoints, make screenshots, make film   make again what is committed
# make messages   takes new texts into the catalogue of every language

PYTHON ?= python3
PORT ?= 8501
ADDRESS ?= localhost
REPLICAS ?= 3
MINUTES ?= 40
TEST_WORKERS ?= 2
export DATA_DIR ?= data

BIN := .venv/bin
APP := .venv/.app-ready
SERVER := .venv/.server-ready
PYTEST := $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
DEV := .venv/.dev-ready

.PHONY: run replicas test test-slow journeys test-mnist lint bench load soak audit sweep lock checkpoints screenshots film messages browser proxy database clean

run: $(APP)
	$(BIN)/python -m deploy.replica --browser --port $(PORT) --address $(ADDRESS)

replicas: $(APP)
	$(BIN)/python -m deploy.replicas --replicas $(REPLICAS) --port $(PORT) --address $(ADDRESS)

test: $(DEV) browser proxy database
	$(PYTEST)

# Longer patience: what they start has several processes each.
test-slow: export TEST_PATIENCE ?= 3
test-slow: $(DEV) browser proxy database
	$(PYTEST) -m slow --timeout 900

journeys: $(DEV) browser proxy database
	$(PYTEST) -m journey --timeout 900

test-mnist: $(DEV)
	$(PYTEST) --only-mnist

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(DEV) browser
	$(BIN)/python -m tests.bench

load: $(DEV) browser proxy database
	@missed=0; for part in fuzz load replicas crowd reloads classroom "classroom --replicas 2" first_visit; do \
	$(BIN)/python -m tests.load.$$part || missed=1; done; exit $$missed

soak: $(DEV)
	$(BIN)/python -m tests.load.soak --minutes $(MINUTES)

audit: $(DEV)
	$(BIN)/pip-audit

sweep: $(SERVER)
	$(BIN)/python -m core.experiments.sweep $(SWEEP)

checkpoints: $(APP)
	$(BIN)/python -m core.experiments.fit --preset best --normal 0-9 --write
	$(BIN)/python -m core.experiments.fit --preset course --normal 0-9 --write
	$(BIN)/python -m core.experiments.fit --preset narrow two-units wide few-epochs denoising broadcasting convolutional --write
	$(BIN)/python -m core.experiments.fit --preset best --data fashion-mnist --normal 0-9 --write
	$(BIN)/python -m core.experiments.compression
	$(BIN)/python -m core.experiments.seeds

screenshots: $(DEV) browser
	$(BIN)/python -m tests.screenshots

film: $(DEV) browser
	$(BIN)/python -m tests.screenshots film

clean:
	rm -rf .venv

LOCK := $(if $(shell command -v flock),flock .venv.lock)

# What is locked, in .venv; the stamp is written last, so an interrupted set-up begins again, and two makes wait for each other.
.venv/.%-ready: deploy/locked/%.txt
	$(PYTHON) deploy/set_up.py $*

# Exact versions and hashes for all platforms, from pyproject.toml.
lock: $(DEV)
	$(BIN)/python -m deploy.lock $(if $(UPGRADE),--upgrade)

# Takes new texts into the catalogues and drops those that are gone.
messages: $(DEV)
	$(BIN)/python -m pages.shared.i18n.catalogues

# A Chromium for the tests: one on the PATH, else the system's package when root, else Playwright's own.
# And axe-core, where there is npm; without it the tests of accessibility are skipped.
AXE := .venv/node_modules/axe-core/axe.min.js
$(AXE): $(DEV)
	@if command -v npm >/dev/null; then $(LOCK) npm install --silent --no-fund --no-audit --prefix .venv axe-core@4.14.1; \
	else echo "npm is not there: the tests of accessibility will be skipped."; fi

browser: $(DEV) $(AXE)
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; } || \
	$(BIN)/python -m playwright install chromium

# An nginx for the tests of replicas: one that is there, else Debian's package when root; without it they are skipped.
# In runlevel 1 the package does not start a server of its own.
proxy:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	RUNLEVEL=1 apt-get install -y -qq --no-install-recommends nginx-light; } || \
	echo "nginx is not there: the tests of replicas will be skipped."

# A PostgreSQL for the tests of a class on several machines, in the same way; they start one of their own.
database:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	RUNLEVEL=1 apt-get install -y -qq --no-install-recommends postgresql; } || \
	echo "PostgreSQL is not there: the tests with it will be skipped."
