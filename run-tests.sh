#!/usr/bin/env bash
# Runs the tests, on a fresh machine too, in a process more than there are cores; arguments go to pytest, which runs
# in this folder (-n0: one process, as a debugger wants it). Each process begins with a part of its own in one piece, so that
# servers which a file's tests share are not started in all of them.
# LLM_PROXY_VENV names another environment than .venv, LLM_PROXY_PYTHON the Python to make it with.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")"

. scripts/environment.sh
venv=${LLM_PROXY_VENV:-.venv}
environment "$venv" requirements.txt requirements-dev.txt
exec "$venv/bin/python" -m pytest -n auto --dist worksteal "$@"
