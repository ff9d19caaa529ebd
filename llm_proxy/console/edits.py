"""An edit of models-config.json, as somebody asks for it in the console: the text that the file would have.

Laws: pure; what is not touched stays as somebody wrote it, layout and comments too. Nothing is judged here: the loader does that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import JSONDecoder

from llm_proxy.console.masking import Unfillable, filled
from llm_proxy.errors import InvalidRequest, NotFound, Problem
from llm_proxy.wire.json_scan import scan

_DECODER = JSONDecoder()


class NoSuchRow(NotFound):
    """The file has no such deployment."""


def typed(text: str, base: str) -> str:
    """A whole text; what is masked in it is as ``base`` has it. Raises ``InvalidRequest``."""
    try:
        return filled(text, base)
    except Unfillable as error:
        where = f"line {error.line}, column {error.column}: {error.path}"
        raise InvalidRequest.of(
            [Problem("edit.text", f'{where}: "***" stands where the file has no secret')]
        ) from None


def weighed(text: str, provider: str, model: str, weight: float) -> str:
    """``text`` with another weight of that deployment. Raises ``NoSuchRow``."""
    found = scan(text)
    row = (
        found.value.get(provider, {}).get(model)
        if isinstance(found.value, dict) and isinstance(found.value.get(provider), dict)
        else None
    )
    if not isinstance(row, dict) or provider.startswith("$") or model == "defaults":
        raise NoSuchRow("the file has no such deployment", param="edit.weight")
    number = json.dumps(int(weight) if float(weight).is_integer() else weight)
    path = (provider, model)
    if "weight" in row:
        start = found.where[(*path, "weight")][1]
        end = _DECODER.raw_decode(text, start)[1]
        return text[:start] + number + text[end:]
    start = found.where[path][1] + 1
    entry = f'"weight": {number}'
    if not row:
        end = text.index("}", start)
        return text[:start] + entry + text[end:]
    first = found.where[(*path, next(iter(row)))][0]
    gap = text[start:first]
    return f"{text[:start]}{gap}{entry},{gap or ' '}{text[first:]}"


#: From the text of the file to that of the edit. Raises ``InvalidRequest`` or ``NotFound``.
Edit = Callable[[str], str]
