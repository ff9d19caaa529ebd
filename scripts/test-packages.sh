#!/usr/bin/env bash
# Installs what lies in dist/ as people do, on each Python that is here, and runs it. `make test-packages` builds it first.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

tools=(uv==0.13.9 pipx==1.18.4)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/llm-proxy-api/installers
environment .venv requirements.txt requirements-dev.txt
if [ "$(cat "$folder/tools" 2>/dev/null)" != "${tools[*]}" ]; then
    rm -rf "$folder"
    .venv/bin/python -m venv "$folder" && "$folder/bin/pip" install -q "${tools[@]}" || fail 'the tools cannot be had'
    echo "${tools[*]}" >"$folder/tools"
fi
pythons=
for version in 3.11 3.12 3.13 3.14; do
    found=$(find_python "$version") && pythons="$pythons $("$found" -c 'import sys; print(sys.executable)')" ||
        printf 'Python %s is not on this machine\n' "$version"
done
LLM_PROXY_TEST_PYTHONS=$pythons LLM_PROXY_TEST_INSTALLERS=$folder/bin exec .venv/bin/python -m pytest -q -n 0 tests/packages "$@"
