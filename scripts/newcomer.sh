#!/usr/bin/env bash
# The walk of a newcomer: a fresh clone of what is committed, in an environment that holds nothing of ours, the two
# commands of the README, and a streamed answer from the shipped model. It needs a package index, so it is no test.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")/.."
walk=$(mktemp -d)
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null; rm -rf "$walk"' EXIT
git clone --quiet . "$walk/clone"
cd "$walk"

stranger() { env -i HOME="$walk" PATH="$PATH" PYENV_ROOT="${PYENV_ROOT:-$HOME/.pyenv}" LANG=C.UTF-8 "$@"; }

stranger clone/run-rest-api.sh --port 18080 2>service.log &
service=$!
for _ in $(seq 300); do
    curl -sf -o /dev/null http://127.0.0.1:18080/api/ping && break
    kill -0 "$service" 2>/dev/null || break
    sleep 0.5
done
curl -sSN --max-time 20 http://127.0.0.1:18080/api/chat -H 'Content-Type: application/json' \
    -d '{"model": "demo", "messages": [{"role": "user", "content": "hello"}]}' >answer.txt || { cat service.log; exit 1; }
cat answer.txt
grep -qx 'data: \[DONE\]' answer.txt || { echo 'newcomer: no complete answer' >&2; exit 1; }
kill "$service"
wait "$service"
stranger clone/run-tests.sh -q "$@"
