"""The access line of a usual request, written by a form that was made for the first one like it.

Laws: what it writes says what ``JsonLines.access_line`` says, value for value, or it writes nothing (``None``); a text that JSON
would escape is none of its business. Which facts there are, and of which kind, decides about the form; forms are few and bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What each line has, in this order, behind its time; the last one only if the client has named its program.
BASE = ("request_id", "method", "endpoint", "path", "status", "client", "total_ms", "generation", "trace_id")
AGENT = "user_agent"
#: Characters of a line: in a short one no field is long.
LONGEST = 2000
#: Forms that are kept.
_FORMS = 256
_NUMBERS = frozenset({"status", "total_ms"})

#: A form, and how many quotation marks its lines have.
_Form = tuple[str, int]


class AccessTemplate:
    """``process``: the process that writes, if each line is to say so."""

    def __init__(self, process: int | None = None) -> None:
        self._who = "" if process is None else f'"process":{process},'
        self._forms: dict[Any, _Form | None] = {}

    def line(self, stamp: str, base: tuple[Any, ...], facts: Mapping[str, Any]) -> str | None:
        """The line; None if it has to be written field by field. ``stamp``: the time; ``base``: the values of ``BASE``, perhaps
        that of ``AGENT``; ``facts``: what else there is, under names of ours."""
        values = facts.values()
        # A list has no hash, so such a fact is seen by its kind.
        key = (len(base), facts.get("stream") is True, *facts, *map(type, values))
        try:
            form = self._forms[key]
        except KeyError:
            form = self._add(key, len(base), facts)
        if form is None:
            return None
        line = form[0] % (stamp, *base, *values)
        # A quotation mark more is one in a text; two together are an empty text, which is not told.
        if (
            line.count('"') != form[1]
            or "\\" in line
            or '""' in line
            or len(line) > LONGEST
            or not (line.isascii() and line.isprintable())
        ):
            return None
        return line

    def _add(self, key: Any, count: int, facts: Mapping[str, Any]) -> _Form | None:
        if len(self._forms) >= _FORMS:
            self._forms.clear()
        form = self._forms[key] = self._made(count, facts)
        return form

    def _made(self, count: int, facts: Mapping[str, Any]) -> _Form | None:
        base = (*BASE, AGENT)[:count]
        if not facts.keys().isdisjoint(base):
            return None
        head = f'{{"time":"%s","level":"INFO","logger":"llm_proxy.access","message":"request",{self._who}'
        parts = [f'"{name}":' + ("%s" if name in _NUMBERS else '"%s"') for name in base]
        for name, value in facts.items():
            kind = type(value)
            if kind is str:
                parts.append(f'"{name}":"%s"')
            elif kind is int or (kind is float and name.endswith("_ms")):  # of our own clock, so finite
                parts.append(f'"{name}":%s')
            elif kind is bool and name == "stream":
                parts.append(f'"{name}":{"true" if value else "false"}%.0s')
            else:
                return None
        form = head + ",".join(parts) + "}"
        return form, form.count('"')
