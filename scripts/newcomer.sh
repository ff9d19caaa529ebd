#!/usr/bin/env bash
# The walk of a newcomer: a fresh clone of what is committed, an environment that holds nothing of ours, the two
# commands of the README, and a streamed answer from the shipped model. Arguments go to the tests. It downloads what
# is required, so it is no test itself.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")/.."
walk=$(mktemp -d)
service=
trap 'kill $service 2>/dev/null || true; rm -rf "$walk"' EXIT
stranger=(env -i "HOME=$walk" "PATH=$PATH" "PYENV_ROOT=${PYENV_ROOT:-$HOME/.pyenv}" LANG=C.UTF-8)

git clone --quiet . "$walk/clone"
cd "$walk"
"${stranger[@]}" LLM_PROXY_API_PORT=0 LLM_PROXY_API_LOG_FORMAT=json LLM_PROXY_API_DISCOVER=0 clone/run-rest-api.sh 2>service.log &
service=$!
url=
while [ -z "$url" ]; do
    kill -0 "$service" 2>/dev/null || { cat service.log; exit 1; }
    sleep 0.5
    url=$(sed -n 's/.*"listening".*"url": *"\([^"]*\)".*/\1/p' service.log)
done
curl -sSN --max-time 20 "$url/chat" -H 'Content-Type: application/json' \
    -d '{"model": "demo", "messages": [{"role": "user", "content": "hello"}]}' | tee answer.txt
grep -qx 'data: \[DONE\]' answer.txt || { echo 'newcomer: no complete answer' >&2; exit 1; }
kill "$service"
wait "$service"
service=
"${stranger[@]}" clone/run-tests.sh -q "$@"
