#!/usr/bin/env bash
# The walk of a newcomer: a fresh clone of what is committed, an environment that holds nothing of ours, the two
# commands of the README, and a streamed answer from the model that the start itself says to try, by the line that it
# says. Arguments go to the tests. It downloads what is required, so it is no test itself.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")/.."
walk=$(mktemp -d)
service=
trap 'kill $service 2>/dev/null || true; rm -rf "$walk"' EXIT
stranger=(env -i "HOME=$walk" "PATH=$PATH" "PYENV_ROOT=${PYENV_ROOT:-$HOME/.pyenv}" LANG=C.UTF-8)
while IFS= read -r line; do # where this machine gets its packages
    stranger+=("$line")
done < <(env | grep '^PIP_')

git clone --quiet . "$walk/clone"
cd "$walk"
begun=$SECONDS
"${stranger[@]}" LLM_PROXY_API_LOG_FORMAT=text clone/run-rest-api.sh --local 2>service.log &
service=$!
until grep -q '^Try it' service.log; do
    kill -0 "$service" 2>/dev/null || { cat service.log; exit 1; }
    sleep 0.2
done
sleep 1 # the rest of the lines
cat service.log
grep -qx 'Try it (smollm2):' service.log || { echo 'newcomer: no local model' >&2; exit 1; }
sed -n '/^  curl /,/^    -d /p' service.log >try.sh
bash try.sh | tee answer.txt
grep -qx 'data: \[DONE\]' answer.txt || { echo 'newcomer: no complete answer' >&2; exit 1; }
echo "newcomer: a real model has answered $((SECONDS - begun)) seconds after the command"
kill "$service"
wait "$service"
service=
"${stranger[@]}" clone/run-tests.sh -q "$@"
