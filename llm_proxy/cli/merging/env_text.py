"""Lines of ``NAME=value``, with ``export`` before them or not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from llm_proxy.faces.programs.writing import env_value


def edited(text: str, values: Mapping[str, str], keep: Collection[str] = ()) -> str:
    """``text`` with these variables; one of ``keep`` that has a value stays."""
    lines = text.splitlines()
    for name, value in values.items():
        line = re.compile(rf"(\s*(?:export\s+)?{re.escape(name)}\s*=\s*)(.*)")
        found = [(at, match) for at, one in enumerate(lines) if (match := line.fullmatch(one))]
        if not found:
            lines.append(f"{name}={env_value(value)}")
            continue
        at, match = found[-1]  # the last one counts
        there = match[2].strip()
        if there.strip("\"'") != value and not (name in keep and there.strip("\"'")):
            lines[at] = match[1] + env_value(value)
    return "\n".join(lines) + "\n"
