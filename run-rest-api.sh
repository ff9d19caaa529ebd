#!/usr/bin/env bash
# Starts the service, from any directory; makes .venv beside this file first if need be. The flags are those of
# `llm-proxy serve`. It does not change the directory, because relative paths are the caller's; for the same reason
# that directory must not be searched for modules: a foreign handlers.py there would stand in for our package.
set -e

file=${BASH_SOURCE[0]}
while [ -L "$file" ]; do # older macOS has no readlink -f
    link=$(readlink "$file")
    case $link in
        /*) file=$link ;;
        *) file=$(dirname "$file")/$link ;;
    esac
done
case ${BASH_SOURCE[0]} in # what a new version is started by (SIGUSR2): links are followed anew then
    /*) export LLM_PROXY_SCRIPT=${BASH_SOURCE[0]} ;;
    *) export LLM_PROXY_SCRIPT=$PWD/${BASH_SOURCE[0]} ;;
esac
here=$(cd -P "$(dirname "$file")" && pwd)

. "$here/scripts/environment.sh"
venv=${LLM_PROXY_VENV:-$here/.venv} # elsewhere, where the checkout is read-only
environment "$venv" "$here/requirements.txt"

export LLM_PROXY_API_MINIMUM="${LLM_PROXY_API_MINIMUM-1}"
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
exec "$venv/bin/python" -m llm_proxy.rest_api "$@"
