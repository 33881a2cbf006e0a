# Everything a person or CI runs. Only Python >= 3.11, pip, make and git are assumed.
PYTHON ?= python3
BIN := .venv/bin
CAP_GPU_SECONDS ?= 1200
TEXT ?= The quick brown fox jumps over the lazy dog.
# The text goes through the environment, so that no quote in it reaches the shell.
export TEXT
# uv trusts only the certificates that it brings, unless it is told to trust the machine's, as pip does.
export UV_SYSTEM_CERTS := true
# Where it is set, each of the many processes that are started here would compile a thousand modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo serve engines test test-slow test-engines test-browser chaos soak bench live check format snapshot lock clean

demo: .venv/.ready  ## speak TEXT into demo.wav on an embedded stack, then stop it
	@$(BIN)/kavox demo --output demo.wav -- "$$TEXT"

serve: .venv/.ready  ## keep the stack running on http://127.0.0.1:8000
	@$(BIN)/kavox serve

test: .venv/.ready  ## the test suite
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: .venv/.ready  ## what goes wrong on whole services, make targets, long texts, containers, Kaggle's own command line: six minutes
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder -m slow

test-browser: .venv/.browser  ## the page in a real Chromium, on a whole service
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
		echo "Chromium is missing: apt-get install chromium, or name one with CHROMIUM=/path/to/chromium" >&2; exit 1; }
	@$(BIN)/pytest --numprocesses 2 --dist loadfile -m browser tests/browser

engines: .venv-engines/.ready  ## .venv-engines/bin/kavox: the service with qwen and chatterbox for a GPU of your own

test-engines: .venv/.ready .venv-engines/.ready  ## qwen and chatterbox on their real packages
	@$(BIN)/pytest --timeout 600 -m engines tests/engines

chaos: .venv/.ready  ## everything is killed while Kaggle is unreliable: no job may be lost, pushed twice or spoken wrongly
	@$(if $(SEED),,$(BIN)/pytest --timeout 300 -m chaos tests/chaos)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

bench: .venv/.ready  ## jobs per hour and GPU-seconds beside the original's way and the best possible, and what the API takes; half an hour
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

soak: .venv/.ready  ## 10,000 jobs, after which nothing may have grown; JOBS=… for another number
	@$(BIN)/python -m tests.soak $(if $(JOBS),--jobs $(JOBS))

live: .venv/.ready  ## real Kaggle, for someone with credentials: one text a provider, under a cap of GPU-seconds
	@$(BIN)/python -m tests.live --cap-gpu-seconds $(CAP_GPU_SECONDS)

check: .venv/.ready  ## lint and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/.ready  ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

snapshot: .venv/.ready  ## write the OpenAPI document's snapshot anew; look at its diff: what is gone breaks callers
	@$(BIN)/python -m tests.app.openapi_snapshot

lock: .venv/.ready  ## compile requirements.lock anew, without any index address in it
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		--no-emit-find-links --extra dev pyproject.toml --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		--no-emit-find-links --extra browser --constraint requirements.lock pyproject.toml --output-file requirements-browser.lock

clean:  ## remove what the commands made, jobs and audio included
	rm -rf .venv .venv-engines data demo.wav

# Debian without python3-venv leaves an environment that has no pip, which must not count as one.
has_pip = $(1)/bin/python -m pip --version >/dev/null 2>&1

.venv/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Kavox needs Python 3.11 or newer; set PYTHON=python3.x")'
	@echo "Setting up .venv, which takes about a minute once" >&2
	@$(call has_pip,.venv) || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# Playwright drives the browser that is installed here and fetches none; 50 MB that nothing else needs.
.venv/.browser: .venv/.ready requirements-browser.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements-browser.lock
	@touch $@

# An environment of its own, Kavox and the engines in it: 2 GB of packages that nothing else needs.
.venv-engines/.ready: pyproject.toml $(wildcard notebooks/*.toml tests/engines/*.txt) tests/engines/install.py
	@$(call has_pip,.venv-engines) || $(PYTHON) -m venv --clear .venv-engines
	@.venv-engines/bin/python tests/engines/install.py
	@touch $@
