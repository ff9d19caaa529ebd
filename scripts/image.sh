#!/usr/bin/env bash
# Builds deploy/Dockerfile with buildah, without a registry: what it takes as python:X-slim is a Debian root made here (debootstrap).
# Then runs the image as the recipe says, and asks it. Needs root, buildah and debootstrap (Debian: apt-get install buildah debootstrap).
# IMAGE_FLAGS: more flags of `buildah bud`, where pip is to be led to another index (--volume, --env).
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
. scripts/environment.sh

[ "$(id -u)" = 0 ] && command -v buildah debootstrap >/dev/null || fail 'root, buildah and debootstrap are needed'
set -e
work=${XDG_CACHE_HOME:-$HOME/.cache}/llm-proxy-api/image
root=${IMAGE_ROOT:-$work/root}
mkdir -p "$work"
buildah() { command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }

if ! [ -x "$root/usr/bin/python3" ]; then
    mirror=$(grep -rhoE '^URIs: *\S+|^deb +\S+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | head -1 | awk '{print $2}')
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates stable "$root" "$mirror"
fi
version=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# What the published image has and Debian does not: `python` and `pip` that install for the whole image.
base=$(buildah from scratch)
buildah copy -q "$base" "$root" / >/dev/null
buildah run --isolation chroot "$base" -- sh -c \
    'ln -sf python3 /usr/bin/python; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED'
buildah commit -q --rm "$base" "python:$version-slim" >/dev/null

# shellcheck disable=SC2086
buildah bud -q --pull-never --isolation chroot --format docker --ignorefile deploy/Dockerfile.dockerignore -f deploy/Dockerfile \
    --build-arg "PYTHON=$version" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" $IMAGE_FLAGS -t llm-proxy-api . >/dev/null

buildah inspect --type image llm-proxy-api | .venv/bin/python -c '
import json, sys
found = json.load(sys.stdin)["Docker"]["config"]
assert found["User"] == "65532:65532" and found["Entrypoint"] == ["llm-proxy"] and found["Cmd"] == ["serve"], found
assert found["StopSignal"] == "SIGTERM" and found["Healthcheck"]["Test"][0] == "CMD" and "/state" in found["Volumes"], found
assert "org.opencontainers.image.licenses" in found["Labels"], found
'
made=$(buildah from --pull-never llm-proxy-api)
place=$(buildah mount "$made")
last_child() { # of a process, and of its children's
    local pid=$1 next
    while next=$(pgrep -P "$pid" | tail -1) && [ "$next" ]; do pid=$next; done
    echo "$pid"
}
server=
trap '[ -z "$server" ] || kill "$(last_child "$server")" 2>/dev/null; buildah rm "$made" >/dev/null' EXIT
[ -z "$(find "$place/gateway" -name 'pip' -o -name '*.whl')" ] || fail 'pip or a wheel is left in the image'
printf 'image: %s, of which the gateway %s\n' "$(du -sh "$place" | cut -f1)" "$(du -sh "$place/gateway" | cut -f1)"
# As its user, with a root that cannot be written to but /state and /tmp; chroot has no more of a container's walls than that.
buildah run --isolation chroot --user 65532:65532 --env LLM_PROXY_API_PORT=28080 --env LLM_PROXY_API_HOST=127.0.0.1 "$made" -- llm-proxy serve &
server=$!
for ((i = 0; i < 300; i++)); do
    buildah run --isolation chroot --user 65532:65532 "$made" -- python -c "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:28080/livez', timeout=2)" 2>/dev/null && break
    sleep 0.2
done
answer=$(.venv/bin/python - <<'PY'
import json, urllib.request

body = json.dumps({"model": "demo", "messages": [{"role": "user", "content": "hello"}]}).encode()
request = urllib.request.Request("http://127.0.0.1:28080/v1/chat/completions", body, {"Content-Type": "application/json"})
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).status)
PY
)
[ "$answer" = 200 ] || fail 'the image does not answer'
kill -TERM "$(last_child "$server")"
wait "$server" || fail 'the image does not stop as it should'
server=
echo 'the image serves, and stops'
