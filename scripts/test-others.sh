#!/usr/bin/env bash
# Runs the tests on every other Python that is promised and that this machine has, each in an environment of its own:
# all but those that are marked one_python, each with its reason (see CONTRIBUTING.md). --install makes the
# environments, and runs nothing; other arguments go to pytest.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

status=0
usual=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.11 3.12 3.13 3.14; do
    [ "$version" != "$usual" ] || continue
    printf '\n== Python %s' "$version"
    if python=$(find_python "$version"); then
        began=$SECONDS
        echo
        export LLM_PROXY_PYTHON=$python LLM_PROXY_VENV=.venv-$version
        if [ "$1" = --install ]; then
            (environment "$LLM_PROXY_VENV" requirements.txt requirements-dev.txt)
        else
            scripts/twice.sh ./run-tests.sh -q -m 'not one_python' "$@"
        fi || status=1
        printf '== Python %s (%d s)\n' "$version" $((SECONDS - began))
    else
        echo ': not on this machine'
    fi
done
exit "$status"
