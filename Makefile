# Every target sets up what it needs: a Python environment in .venv, npm's packages in node_modules.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo smoke test lint screenshots clean

demo: .venv/ready node_modules/ready
	$(BIN)/python app.py demo

smoke: .venv/ready node_modules/ready
	$(BIN)/python app.py demo --smoke

test: .venv/ready node_modules/ready
	$(BIN)/python -m pytest -n 4 --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Chromium from apt, by root or with sudo, where there is none.
screenshots: .venv/ready node_modules/ready
	command -v chromium || command -v chromium-browser || command -v google-chrome || \
		$(if $(filter 0,$(shell id -u)),,sudo) sh -c \
		'apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation'
	$(BIN)/python -m demo.screenshots

.venv/ready: requirements.txt requirements-dev.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

node_modules/ready: package.json package-lock.json
	npm ci --no-audit --no-fund
	touch $@

clean:
	rm -rf .venv node_modules
