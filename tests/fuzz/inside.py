"""One target under atheris, ``python -m tests.fuzz.inside TARGET [libFuzzer's options] CORPUS``: what is imported here knows
which of its lines were reached."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["llm_proxy", "handlers", "providers"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()
