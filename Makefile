# Every target sets up what it needs: a Python environment in .venv, npm's packages in node_modules.
PYTHON ?= python3
BIN := .venv/bin
# If set, each process that the tests start compiles the whole product again.
unexport PYTHONDONTWRITEBYTECODE
# Excluded by name: generating its calls takes seconds in each process that collects it.
FUZZ := tests/bot/web/api/test_fuzz.py
SLACK_FUZZ := tests/bot/web/test_slack_fuzz.py

.PHONY: demo smoke test test-all chaos mutations fuzz-api lint messages screenshots bench bench-router bench-redaction clean

# Install Chromium from apt, as root or with sudo, unless it is installed.
define chromium
@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	$(if $(filter 0,$(shell id -u)),,sudo) env DEBIAN_FRONTEND=noninteractive sh -c \
	'apt-get update && apt-get install -y --no-install-recommends chromium fonts-liberation'
endef

# Slack's font, and signs in color.
define fonts
@fc-list | grep -q NotoColorEmoji && fc-list | grep -q Lato-Regular || \
	$(if $(filter 0,$(shell id -u)),,sudo) env DEBIAN_FRONTEND=noninteractive sh -c \
	'apt-get update && apt-get install -y --no-install-recommends fonts-lato fonts-noto-color-emoji'
endef

demo: .venv/ready node_modules/ready
	$(BIN)/python app.py demo

smoke: .venv/ready node_modules/ready
	$(BIN)/python app.py demo --smoke

# The first time, compile the tests once for all processes that run them. Afterwards each process
# compiles what has changed: cheaper than another collection.
tests/__pycache__: | .venv/ready
	@$(BIN)/python -m pytest -q --collect-only --ignore $(FUZZ) tests > /dev/null || true

test: .venv/ready node_modules/ready | tests/__pycache__
	$(chromium)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not long" --ignore $(FUZZ)

# Includes the long runs.
test-all: .venv/ready node_modules/ready | tests/__pycache__
	$(chromium)
	$(BIN)/python -m pytest -n 3 --dist worksteal

# Ten minutes under load while processes, servers and services fail (SEED=, TICKETS=, SECONDS=), a
# rolling restart from the program OLD=, then 20,000 payloads of Slack, valid, mutated and garbage.
# PLANT= is a bug of tests/chaos/plants.py that the load has to find; only that runs then.
chaos: .venv/ready
	SEED="$(SEED)" TICKETS="$(TICKETS)" SECONDS="$(SECONDS)" OLD="$(OLD)" PLANT="$(PLANT)" \
		$(BIN)/python -m tests.chaos
	$(if $(PLANT),,FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest --timeout 0 $(SLACK_FUZZ))

# Breaks one rule at a time in a copy and fails unless the tests detect it: five minutes of CPU time.
mutations: .venv/ready node_modules/ready
	$(BIN)/python -m tests.mutations

# New random calls each time, a hundred times as many as in the tests: about ten minutes.
fuzz-api: .venv/ready
	FUZZ_EXAMPLES=2500 $(BIN)/python -m pytest --timeout 0 $(FUZZ)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/zizmor --offline --quiet .

# All that people read, as plain text: docs/messages.md.
messages: .venv/ready
	$(BIN)/python -m tests.messages

screenshots: .venv/ready node_modules/ready
	$(chromium)
	$(fonts)
	$(BIN)/python -m demo.screenshots

# About ten minutes; ROW=name measures one group.
bench: .venv/ready
	ROW="$(ROW)" $(BIN)/python -m bench

bench-router: .venv/ready
	@test -n "$(DATA)" || { echo 'make bench-router DATA=tickets.csv (columns: text, group)' >&2; exit 2; }
	$(BIN)/python -m bench.router "$(DATA)"

bench-redaction: .venv/ready
	@test -n "$(DATA)" || { echo 'make bench-redaction DATA=tickets.csv (column: text)' >&2; exit 2; }
	$(BIN)/python -m bench.redaction "$(DATA)"

.venv/ready: requirements.txt requirements-dev.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	touch $@

node_modules/ready: package.json package-lock.json
	npm ci --no-audit --no-fund
	touch $@

clean:
	rm -rf .venv node_modules
