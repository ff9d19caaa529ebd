#!/usr/bin/env bash
# Runs what touches Tornado on the lowest and on the newest version that setup.py allows, each in an environment of its
# own. The whole suite runs on the pinned version, so that one is not run here.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

lowest=$(sed -n 's/^ *"tornado>=\([0-9.]*\),<\([0-9]*\)".*/\1/p' setup.py)
below=$(sed -n 's/^ *"tornado>=\([0-9.]*\),<\([0-9]*\)".*/\2/p' setup.py)
[ "$lowest" ] && [ "$below" ] || fail "setup.py names no range of Tornado"

status=0
pinned=$(sed -n 's/^tornado==\([0-9.]*\).*/\1/p' requirements.txt)
environment .venv requirements.txt requirements-dev.txt
for wanted in "==$lowest" ">=$lowest,<$below"; do
    # A folder of its own before the environment's: the pins stay what they are.
    folder=$(mktemp -d)
    if .venv/bin/python -m pip install -q --upgrade --no-deps --target "$folder" "tornado$wanted"; then
        had=$(PYTHONPATH=$folder .venv/bin/python -c 'import tornado; print(tornado.version, tornado.__file__)')
        printf '\n== Tornado %s\n' "$had"
        [ "${had%% *}" != "$pinned" ] || { echo 'the pinned one'; rm -r "$folder"; continue; }
        PYTHONPATH=$folder .venv/bin/python -m pytest -q -n auto tests/llm_proxy/clients tests/llm_proxy/upstreams \
            tests/handlers/test_chat.py tests/handlers/test_plain_endpoints.py tests/faults/test_client_words.py "$@" || status=1
    else
        printf '\n== Tornado %s cannot be had\n' "$wanted"
        status=1
    fi
    rm -r "$folder"
done
exit "$status"
