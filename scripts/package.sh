#!/usr/bin/env bash
# package.sh [zipapp]: wheel and sdist in dist/, with a bill of materials (CycloneDX) and SHA256SUMS; with `zipapp` also the
# single file that runs on this kind of machine with this version of Python. The tools come into a folder of their own.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

tools=(cyclonedx-bom==7.5.0 shiv==1.0.8)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/llm-proxy-api/package
python=.venv/bin/python
environment .venv requirements.txt requirements-dev.txt
if [ "$(cat "$cache/tools" 2>/dev/null)" != "${tools[*]}" ]; then
    rm -rf "$cache"
    "$python" -m pip install -q --target "$cache" "${tools[@]}" || fail 'the tools cannot be had'
    echo "${tools[*]}" >"$cache/tools"
fi

set -e
rm -rf dist build ./*.egg-info
"$python" -m build --no-isolation >/dev/null
rm -rf build ./*.egg-info
wheel=$(echo dist/*.whl)

# What an installation consists of: each package by its hash, then ours, which needs no other.
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
"$python" -m pip install -q --target "$site" --require-hashes -r requirements.txt
"$python" -m pip install -q --target "$site" --no-deps "$wheel"
"$python" scripts/materials.py "$cache" "$site" "$wheel" "${wheel%-py3-none-any.whl}.cdx.json"
if [ "$1" = zipapp ]; then
    kind=$("$python" -c 'import sys, sysconfig; print(f"cp{sys.version_info[0]}{sys.version_info[1]}-{sysconfig.get_platform()}")')
    line=$("$python" -c 'import sys; print(f"/usr/bin/env python{sys.version_info[0]}.{sys.version_info[1]}")')
    PYTHONPATH=$cache "$python" -m shiv.cli --site-packages "$site" --console-script llm-proxy --compressed --reproducible \
        --python "$line" --output-file "${wheel%-py3-none-any.whl}-$kind.pyz" >/dev/null
fi
(cd dist && sha256sum -- * >SHA256SUMS)
(cd dist && ls -l -- *)
