#!/usr/bin/env bash
# Brings all that the steps of .ci/run install for themselves, and runs none of them. What cannot be had is no failure
# here: the step that wants it says so.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# Real proxies for the tests that stand behind or before one, Prometheus for those of the metrics, Redis for limits of
# several machines, a browser for the console; without them those tests say that they were skipped.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light haproxy prometheus redis-server microsocks bindfs; } >/dev/null 2>&1 ||
        echo 'nginx, haproxy, prometheus, redis-server, microsocks and bindfs cannot be installed here'
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell >/dev/null 2>&1 ||
        echo 'chromium-headless-shell cannot be installed here'
fi

make --no-print-directory environment
scripts/test-others.sh --install
scripts/test-deploy.sh --install
scripts/test-console.sh --install
.venv/bin/python -m tests.node --install
.venv/bin/python -m tests.apps --quick --install
(. scripts/environment.sh && environment .venv-docs requirements-docs.txt)
exit 0
