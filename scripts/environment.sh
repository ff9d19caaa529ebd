# shellcheck shell=bash
# Sourced by run-rest-api.sh, run-tests.sh and the Makefile: a virtual environment that holds what requirements
# files list. When it already does, nothing happens but a comparison of each file with the copy that was kept of
# it, so a start is not slowed. Written for bash 3.2, which is what macOS has.

fail() {
    printf 'llm-proxy-api: %s\n' "$1" >&2
    exit 1
}

# suitable PYTHON: can it be used? Existing is not enough: a pyenv shim may refuse to run, and Debian's python3
# comes without ensurepip until python3-venv is installed.
suitable() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# find_python [VERSION]: prints a suitable Python, of that version if one is given; fails if there is none.
find_python() {
    local pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions candidate
    if [ "$1" ]; then
        set -- "python$1" "$pyenv/$1".*/bin/python
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11 python "$pyenv"/3.1[1-9].*/bin/python
    fi
    for candidate; do
        if suitable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# environment VENV FILE...: returns when VENV holds what the FILEs list, else ends the script with a message.
# LLM_PROXY_PYTHON names the Python to use when VENV must be made.
environment() {
    local venv=$1 scripts=${BASH_SOURCE[0]%/*} file python
    for file in "${@:2}"; do
        if ! [ -x "$venv/bin/python" ] || ! cmp -s "$file" "$venv/${file##*/}"; then
            if [ "$LLM_PROXY_PYTHON" ]; then
                python=$LLM_PROXY_PYTHON
                suitable "$python" || fail "LLM_PROXY_PYTHON=$python is no Python 3.11 or newer with venv and pip"
            elif suitable "$venv/bin/python"; then
                python=$venv/bin/python
            else
                python=$(find_python) ||
                    fail "Python 3.11 or newer is needed, with its venv module (on Debian and Ubuntu the package python3-venv)"
            fi
            "$python" -I "$scripts/environment.py" "$@" >&2 || exit 1
            return
        fi
    done
}
