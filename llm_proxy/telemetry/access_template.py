"""The access line of a usual request, written by a form that was made for the first one like it.

Laws: what it writes says what ``JsonLines.access_line`` says, value for value, or it writes nothing (``None``); a text that JSON
would escape is none of its business. Which facts there are, and of which kind, decides about the form; forms are few and bounded.
Texts of a line are the same from request to request, but for two ids: those that were found plain are known, and bounded too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

#: What each line has, in this order, behind its time; the last one only if the client has named its program.
BASE = ("request_id", "method", "endpoint", "path", "status", "client", "total_ms", "generation", "trace_id")
AGENT = "user_agent"
#: Characters of a line: in a short one no field is long.
LONGEST = 2000
#: Forms that are kept.
_FORMS = 256
_NUMBERS = frozenset({"status", "total_ms"})
#: What differs from request to request.
_IDS = frozenset({"request_id", "trace_id"})
#: What is written as it is; an empty text is not told.
_PLAIN = re.compile(r"[ !#-\[\]-~]{1,400}")
#: Texts that are known to be plain.
_TEXTS = 2000

#: A form, and what takes the texts that are to be plain out of a line's values.
_Form = tuple[str, Callable[[tuple[Any, ...]], tuple[str, ...]]]


class AccessTemplate:
    """``process``: the process that writes, if each line is to say so."""

    def __init__(self, process: int | None = None) -> None:
        self._who = "" if process is None else f'"process":{process},'
        self._forms: dict[Any, _Form | None] = {}
        self._known: set[str] = set()

    def line(self, stamp: str, base: tuple[Any, ...], facts: Mapping[str, Any]) -> str | None:
        """The line; None if it has to be written field by field. ``stamp``: the time; ``base``: the values of ``BASE``, perhaps
        that of ``AGENT``; ``facts``: what else there is, under names of ours."""
        # A list has no hash, so such a fact is seen by its kind.
        key = (len(base), facts.get("stream") is True, *facts, *map(type, facts.values()))
        try:
            form = self._forms[key]
        except KeyError:
            form = self._add(key, len(base), facts)
        if form is None:
            return None
        values = (stamp, *base, *facts.values())
        texts = form[1](values)
        if not (self._known.issuperset(texts) or self._are_plain(texts)):
            return None
        request, trace = base[0], base[8]
        ids = request + trace  # nearly always hexadecimal digits
        if not (ids.isascii() and ids.isalnum()) and not (
            _PLAIN.fullmatch(request) and _PLAIN.fullmatch(trace)
        ):
            return None
        line = form[0] % values
        return line if len(line) <= LONGEST else None

    def _are_plain(self, texts: tuple[str, ...]) -> bool:
        known = self._known
        if len(known) >= _TEXTS:
            known.clear()
        for text in texts:
            if _PLAIN.fullmatch(text) is None:
                return False
            known.add(text)
        return True

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
        texts = [at for at, name in enumerate(base, 1) if name not in _NUMBERS and name not in _IDS]
        for at, (name, value) in enumerate(facts.items(), 1 + count):
            kind = type(value)
            if kind is str:
                parts.append(f'"{name}":"%s"')
                texts.append(at)
            elif kind is int or (kind is float and name.endswith("_ms")):  # of our own clock, so finite
                parts.append(f'"{name}":%s')
            elif kind is bool and name == "stream":
                parts.append(f'"{name}":{"true" if value else "false"}%.0s')
            else:
                return None
        return head + ",".join(parts) + "}", itemgetter(*texts)
