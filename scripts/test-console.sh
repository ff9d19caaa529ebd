#!/usr/bin/env bash
# The console in a real browser: test-console.sh [ARGUMENTS OF PYTEST], test-console.sh --screenshots FOLDER, or
# test-console.sh --paint [TIMES], which says how soon it is seen; --install brings what it needs beside the browser, and runs nothing.
# The browser's driver (PyPI) and axe-core (npm) lie in .venv-console beside .venv; without a browser it says so and is no failure.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
AXE=4.14.1
skip() { echo "test-console: skipped: $1"; exit 0; }
command -v chromium-headless-shell >/dev/null || skip 'chromium-headless-shell is not on this machine (Debian: apt-get install chromium-headless-shell)'
command -v npm >/dev/null || skip 'npm is not on this machine'

# The driver is put beside the project's own packages, which .venv has.
place=.venv-console
if ! cmp -s tests/browser/requirements.txt "$place/requirements.txt"; then
    .venv/bin/python -m venv --clear "$place" && "$place/bin/pip" install -q -r tests/browser/requirements.txt ||
        skip 'the package registry cannot be reached'
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$("$place/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
    cp tests/browser/requirements.txt "$place/requirements.txt"
fi
if ! [ -e "$place/node_modules/axe-core-$AXE" ]; then
    npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$place" "axe-core@$AXE" >/dev/null 2>&1 || skip 'npm cannot reach its registry'
    touch "$place/node_modules/axe-core-$AXE"
fi
[ "$1" != --install ] || exit 0
export LLM_PROXY_BROWSER=1 AXE_CORE=$PWD/$place/node_modules/axe-core/axe.min.js
if [ "$1" = --screenshots ]; then
    exec "$place/bin/python" -m tests.browser.screenshots "${@:2}"
fi
if [ "$1" = --paint ]; then
    exec "$place/bin/python" -m tests.browser.first_paint "${@:2}"
fi
exec scripts/twice.sh "$place/bin/python" -m pytest -q -n "${CONSOLE_PROCESSES:-2}" --dist loadfile "${@:-tests/browser}"
