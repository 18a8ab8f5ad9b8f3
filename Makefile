# Every target sets up what it needs: a machine with python3 (3.11 to 3.13) and make is enough.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
CUSTOMERS ?= 20000
DATE ?= 2026-06-30
PORT ?= 8080
JOBS ?= 2
export C360_HOME ?= $(CURDIR)/data
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Airflow on this machine: its own folder, our DAGs, nothing reachable from outside.
AIRFLOW := AIRFLOW_HOME="$(CURDIR)/.airflow" \
	AIRFLOW__CORE__DAGS_FOLDER="$(CURDIR)/dags" AIRFLOW__CORE__LOAD_EXAMPLES=False \
	AIRFLOW__CORE__DEFAULT_TIMEZONE="$${C360_TIME_ZONE:-UTC}" AIRFLOW__CORE__PARALLELISM=4 \
	AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$(PORT) AIRFLOW__API__WORKERS=1 \
	AIRFLOW__API__BASE_URL=http://localhost:$(PORT) \
	AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://localhost:$(PORT)/execution/

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format airflow docs bench lock secrets clean

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Make .venv from requirements.lock

# --no-deps: the lock is whole; pip before 25 cannot check hashes of extras otherwise.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), sys.version' || \
		{ echo "This needs Python 3.11, 3.12 or 3.13: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv from requirements.lock (once, a minute or two) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Serve the demo company from a CRM and a database, and run its night through Airflow
	@set -e; c360 demo --served --customers $(CUSTOMERS) --date $(DATE); mkdir -p .airflow; \
	c360 demo serve > .airflow/serve.log 2>&1 & serve_pid=$$!; trap "kill $$serve_pid; wait $$serve_pid" EXIT; \
	until [ -e "$(C360_HOME)/demo/logins.env" ]; do sleep 0.5; \
		kill -0 $$serve_pid 2>/dev/null || { cat .airflow/serve.log >&2; trap - EXIT; exit 1; }; done; \
	. "$(C360_HOME)/demo/logins.env"; export C360_RULES_DIR="$(C360_HOME)/demo/rules"; \
	cat .airflow/serve.log; c360 sources check; \
	echo "Running the DAG nightly_customer_360 in Airflow; its own log is .airflow/demo.log"; \
	$(AIRFLOW) airflow db migrate > .airflow/demo.log 2>&1 || { tail -5 .airflow/demo.log; exit 1; }; \
	$(AIRFLOW) airflow dags test nightly_customer_360 --conf '{"date": "$(DATE)"}' >> .airflow/demo.log 2>&1 & \
	airflow_pid=$$!; c360 status --date $(DATE) --follow $$airflow_pid; \
	wait $$airflow_pid || { tail -20 .airflow/demo.log; exit 1; }; \
	printf '%s\n' "" "To ask it more (its CRM and shop are down again, what they said is kept):" \
		"    source $(VENV)/bin/activate; export C360_HOME=\"$(C360_HOME)\" C360_RULES_DIR=\"$$C360_RULES_DIR\"" \
		"    c360 rules check; c360 quarantine list; c360 segment preview churn_warning" \
		"Another night: make demo CUSTOMERS=$(CUSTOMERS) DATE=<a later day>"

test: setup ## Run all tests (JOBS=2)
	@python -m pytest -n $(JOBS) --dist loadfile

lint: setup ## Check style, types, layers and SQL
	@ruff format --check .
	@ruff check .
	@mypy
	@lint-imports
	@sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

format: setup ## Put Python and SQL in order
	@ruff format .
	@ruff check --fix .
	@sqlfluff fix --processes 2 dbt_project/models dbt_project/tests

airflow: setup ## Start Airflow with the DAGs on http://localhost:8080 (PORT=8080; Ctrl-C stops it)
	@umask 077; demo="$(C360_HOME)/demo/rules"; \
	if [ -z "$$C360_RULES_DIR" ] && [ -d "$$demo" ]; then export C360_RULES_DIR="$$demo"; fi; \
	$(AIRFLOW) airflow db migrate && $(AIRFLOW) airflow pools import dags/pools.json && \
	$(AIRFLOW) airflow standalone

docs: setup ## Build the dbt documentation of the run of DATE into data/docs
	@c360 docs --date $(DATE)

bench: setup ## Run the benchmarks (by hand: ratios on a quiet machine)
	@for script in benchmarks/*.py; do echo "== $$script"; python $$script || exit 1; done

# Tableau's engine is 290 MB, for who asks for it only.
lock: setup ## Resolve requirements.lock anew (needs uv)
	@uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-emit-index-url \
		--no-emit-find-links --no-header --no-annotate --python-version 3.11 --all-extras \
		--no-emit-package tableauhyperapi \
		pyproject.toml --output-file requirements.lock

secrets: ## Make the secrets that docker compose reads from secrets/
	@set -eu; umask 077; \
	test ! -e secrets || { echo "secrets/ is there already" >&2; exit 1; }; \
	mkdir secrets; \
	openssl rand -hex 32 > secrets/postgres_password; \
	openssl rand -base64 32 | tr '+/' '-_' > secrets/fernet_key; \
	openssl rand -hex 32 > secrets/jwt_secret; \
	openssl rand -hex 32 > secrets/api_secret_key; \
	printf '{"admin": "%s"}\n' "$$(openssl rand -hex 12)" > secrets/airflow_passwords.json; \
	openssl rand -hex 32 > secrets/superset_secret_key; \
	openssl rand -hex 12 > secrets/superset_admin_password; \
	printf 'export C360_PSEUDONYM_KEY=%s\n' "$$(openssl rand -hex 32)" > secrets/pipeline_secrets.env; \
	printf 'export C360_ENCRYPTION_KEYS=k1:%s\n' "$$(openssl rand -base64 32 | tr '+/' '-_')" >> secrets/pipeline_secrets.env; \
	chmod 444 secrets/*   # containers read them under their own user; the folder is 0700

clean: ## Remove .venv and caches; data/ stays
	@rm -rf .venv .airflow build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
