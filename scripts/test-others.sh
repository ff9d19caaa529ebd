#!/usr/bin/env bash
# Runs the tests on every other Python that is promised and that this machine has, each in an environment of its own.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

status=0
usual=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.11 3.12 3.13 3.14; do
    [ "$version" != "$usual" ] || continue
    if python=$(find_python "$version"); then
        printf '\n== Python %s\n' "$version"
        LLM_PROXY_PYTHON=$python LLM_PROXY_VENV=.venv-$version scripts/twice.sh ./run-tests.sh -q "$@" || status=1
    else
        printf '\n== Python %s: not on this machine\n' "$version"
    fi
done
exit "$status"
