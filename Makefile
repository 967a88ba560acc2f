# make run CLIP=clip.mp4   set everything up (once) and lift a clip; without CLIP the demo clip
# make test                set up what the tests need (once) and run them
# make check               formatting, lint, types and tests; CI runs the tests
# make bench               measure accuracy and speed
PYTHON ?= python3
CLIP ?=
ARGS ?=
DATA ?=
VENV := .venv
PY := $(VENV)/bin/python
PINS := pyproject.toml constraints.txt
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt

# OpenMP's default is to spin at its barriers, which makes torch up to ten times slower on cores it has to share.
export OMP_WAIT_POLICY ?= PASSIVE
# The fit solves many small systems, for which numpy's threads cost more than they bring (torch has its own).
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: run test lint check bench clean
.DELETE_ON_ERROR:

run: $(VENV)/.stamp-run
	$(PY) apps/video3d.py $(if $(CLIP),"$(CLIP)") $(ARGS)

test: $(VENV)/.stamp-dev
	$(PY) -m pytest $(ARGS)

lint: $(VENV)/.stamp-dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

check: lint test

bench: $(VENV)/.stamp-dev
	$(PY) -m benchmarks.accuracy $(if $(DATA),--data "$(DATA)")
	$(PY) -m benchmarks.speed

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is not; name another with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making the virtual environment $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-venv $(PINS)
	@echo "Installing the pinned libraries, 2.5 GB (once; minutes without a word from pip)"
	@$(INSTALL) -e .
	@touch $@

# The development tools contain what a run needs, so this stamp serves both.
$(VENV)/.stamp-dev: $(VENV)/.stamp-venv $(PINS)
	@echo "Installing the pinned libraries and the test tools, 2.7 GB (once; minutes without a word from pip)"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.stamp-run
