# Two commands do everything on a fresh clone: `make demo` and `make test`. Both may be run again at any time.
#
# Needed beforehand: Python 3.11 and the system libraries that the README lists for Blender as a Python module.
# Used when present: Python 3.13 (tests on Blender 5.3) and npm (the Khronos glTF validator); tests say what they skip.

PYTHON ?= python3.11
PYTHON313 ?= $(shell for python in python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13*/bin/python3.13); do \
  "$$python" -c "" 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
APPLICATIONS ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/image_to_scene/blender
SUITES ?= sid trixie
PIP := -m pip install --quiet --disable-pip-version-check
TEST := -m pytest -q
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo test fuzz lint types test-core test-blender test-blender53 test-app test-benchmarks bench bench-accuracy \
  wheels lock check-lock extension clean

demo: .venv/ready
	$(BIN)/python demo/run.py

# Two suites at a time, since each keeps little more than one core busy; their output comes one after the other.
test: lint types
	$(MAKE) --no-print-directory -j2 $(SYNC) test-core test-blender test-blender53 test-benchmarks

# 1,330 mutated files with a fixed seed: each ends in a sentence, or in a result that its mutation explains. A test has
# ten minutes, a mutated file half of one.
fuzz: .venv/ready
	$(BIN)/python $(TEST) tests/fuzz

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# The root is the package: a link under its real name gives the type checker relative imports a parent.
types: .venv/ready
	mkdir -p build/typing && ln -sfn ../.. build/typing/image_to_scene
	$(BIN)/mypy

test-core: .venv/ready
	$(BIN)/python $(TEST) tests/core tests/training

# BPY=4.2.23, 5.2.3 and the like: the same on another release from PyPI, in an environment of its own under build/.
ifeq ($(BPY),)
test-blender: .venv/ready node_modules
	$(BIN)/python $(TEST) tests/blender tests/app
else
BPY_VENV := build/bpy-$(BPY)
test-blender: .venv/ready node_modules
	test -x $(BPY_VENV)/bin/python || $(if $(filter 4.% 5.0.%,$(BPY)),$(PYTHON),$(PYTHON313)) -m venv $(BPY_VENV)
	grep -v ^bpy requirements/blender53.txt > $(BPY_VENV)/requirements.txt
	$(BPY_VENV)/bin/python $(PIP) bpy==$(BPY) "numpy<2.5" -r $(BPY_VENV)/requirements.txt
	IMAGE_TO_SCENE_PYTHON=$(CURDIR)/$(BIN)/python $(BPY_VENV)/bin/python $(TEST) tests/blender
endif

ifeq ($(PYTHON313),)
test-blender53:
	@echo "skipped: tests on Blender 5.3 need Python 3.13, and none is on this machine"
else
test-blender53: .venv/ready .venv313/ready node_modules
	IMAGE_TO_SCENE_PYTHON=$(CURDIR)/$(BIN)/python .venv313/bin/python $(TEST) tests/blender
endif

# Blender 5.2 (SUITES=sid) and 4.3 (trixie) with a window on a virtual screen, made once by debootstrap; says what it
# skips.
test-app: .venv/ready
	PYTHON=$(CURDIR)/$(BIN)/python tests/app/run.sh "$(APPLICATIONS)" $(SUITES)

test-benchmarks: .venv/ready .venv-accuracy/ready
	$(BIN)/python $(TEST) tests/benchmarks

# How fast and how large it all is: the forward pass and the whole way from files beside the official one, where its time
# goes, how a worker starts, how it grows, and what Blender makes of it. OPTIONS=--quick takes minutes; each of the
# scripts tells more of itself by --help.
bench: .venv/ready
	$(BIN)/python benchmarks/forward.py $(OPTIONS)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/stages.py --side both
	$(BIN)/python benchmarks/end_to_end.py $(OPTIONS)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/reconstruct.py $(OPTIONS)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/growth.py $(OPTIONS)
	$(BIN)/python benchmarks/scene.py $(OPTIONS)

# How accurate reconstructions are, in build/accuracy/: renders its scenes the first time. OPTIONS="--size 504 336" and
# the like are told by OPTIONS=--help.
bench-accuracy: .venv/ready .venv-accuracy/ready
	$(BIN)/python -m benchmarks.accuracy $(OPTIONS)

# What the installer of the worker's environment needs: fetched once, checked against a hash lock, never committed.
wheels: .venv/ready
	$(BIN)/python wheels/fetch.py

# All that the worker's environment may consist of, on every platform, with hashes; after a change of runtime.txt. What
# is locked stays as it is while it fits; OPTIONS=--upgrade moves all of it to the newest.
LOCK := core/worker/runtime/requirements.lock
COMPILE := $(BIN)/uv pip compile requirements/runtime.txt --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-config --quiet
lock: .venv/ready
	$(COMPILE) $(OPTIONS) --output-file $(LOCK)

# Asks the package index whether it still has the files whose hashes are in the lock, and whether all of it is to be had
# as wheels for the platforms and Pythons of Blender 4.2 to 5.3; installs nothing.
PLATFORMS := x86_64-pc-windows-msvc x86_64-unknown-linux-gnu aarch64-apple-darwin
check-lock: .venv/ready
	mkdir -p build && rm -f build/fresh.lock
	$(COMPILE) --constraint $(LOCK) --output-file build/fresh.lock
	diff $(LOCK) build/fresh.lock
	@for platform in $(PLATFORMS); do for python in 3.11 3.13; do \
	  echo "$$platform, Python $$python" && \
	  MACOSX_DEPLOYMENT_TARGET=14.0 $(BIN)/uv pip install --dry-run --quiet --no-config --no-deps --require-hashes \
	    --only-binary :all: --python-platform $$platform --python-version $$python --target build/check-lock \
	    -r $(LOCK) || exit 1; \
	done; done

# build/: one zip for any platform; after `make wheels` also one per platform, with the installer of the runtime.
extension: .venv/ready
	$(BIN)/python wheels/build.py build

.venv/ready: requirements/runtime.txt requirements/development.txt requirements/official.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python $(PIP) -r requirements/runtime.txt -r requirements/development.txt
	$(BIN)/python $(PIP) --no-deps -r requirements/official.txt
	touch $@

.venv-accuracy/ready: requirements/accuracy.txt | .venv/ready
	rm -rf .venv-accuracy
	$(BIN)/python $(PIP) --no-deps --target .venv-accuracy -r requirements/accuracy.txt
	touch $@

.venv313/ready: requirements/blender53.txt
	test -x .venv313/bin/python || $(PYTHON313) -m venv .venv313
	.venv313/bin/python $(PIP) -r requirements/blender53.txt
	touch $@

node_modules: package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && touch $@; \
	else echo "npm is not on this machine: the glTF validator test will be skipped"; fi

clean:
	rm -rf build demo/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
