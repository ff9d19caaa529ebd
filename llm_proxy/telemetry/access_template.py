"""The access line of a usual request, written by a form that was made for the first one like it.

Laws: what it writes says what ``JsonLines.access_line`` says, value for value, or it writes nothing (``None``); a text that JSON
would escape is none of its business. Which facts there are, and of which kind, decides about the form; forms are few and bounded.
Texts of a line are the same from request to request, but for two ids: once they were found plain, there is a form in which they
stand already; those are bounded too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

#: What each line has, in this order, behind its time; the last one only if the client has named its program.
BASE = ("request_id", "method", "endpoint", "path", "status", "client", "total_ms", "generation", "trace_id")
AGENT = "user_agent"
#: Characters of a line: in a short one no field is long.
LONGEST = 2000
#: Forms that are kept, and those that hold their texts already.
_FORMS, _FILLED = 256, 500
_NUMBERS = frozenset({"status", "total_ms"})
#: What differs from request to request.
_IDS = frozenset({"request_id", "trace_id"})
#: What is written as it is; an empty text is not told.
_PLAIN = re.compile(r"[ !#-\[\]-~]{1,400}")

_Values = tuple[Any, ...]


class _Form(NamedTuple):
    """How a line is written of its values, the time first. ``words`` takes those that are to be plain texts, at ``places``;
    ``rest`` takes the others. ``filled``: by texts that were found plain, the form for the rest in which they stand."""

    text: str
    places: frozenset[int]
    words: Callable[[_Values], tuple[str, ...]]
    rest: Callable[[_Values], _Values]
    filled: dict[tuple[str, ...], str]


class AccessTemplate:
    """``process``: the process that writes, if each line is to say so."""

    def __init__(self, process: int | None = None) -> None:
        self._who = "" if process is None else f'"process":{process},'
        self._forms: dict[Any, _Form | None] = {}
        self._filled = 0

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
        _, _, words, rest, filled = form
        values = (stamp, *base, *facts.values())
        texts = words(values)
        text = filled.get(texts) or self._fill(form, texts, values)
        request, trace = base[0], base[8]
        # Ours are one and the same text, of hexadecimal digits; a client may have chosen others.
        if not text or (request is not trace and not (_PLAIN.fullmatch(request) and _PLAIN.fullmatch(trace))):
            return None
        line = text % rest(values)
        return line if len(line) <= LONGEST else None

    def _fill(self, form: _Form, texts: tuple[str, ...], values: _Values) -> str:
        """``form`` with ``texts`` in it; empty if one of them is not plain."""
        if not all(map(_PLAIN.fullmatch, texts)):
            return ""
        if self._filled >= _FILLED:
            self._filled = 0
            for other in self._forms.values():
                if other is not None:
                    other.filled.clear()
        self._filled += 1
        places = form.places
        parts = (value.replace("%", "%%") if at in places else "%s" for at, value in enumerate(values))
        made = form.filled[texts] = form.text % tuple(parts)
        return made

    def _add(self, key: Any, count: int, facts: Mapping[str, Any]) -> _Form | None:
        if len(self._forms) >= _FORMS:
            self._forms.clear()
            self._filled = 0
        form = self._forms[key] = self._made(count, facts)
        return form

    def _made(self, count: int, facts: Mapping[str, Any]) -> _Form | None:
        base = (*BASE, AGENT)[:count]
        if not facts.keys().isdisjoint(base):
            return None
        head = f'{{"time":"%s","level":"INFO","logger":"llm_proxy.access","message":"request",{self._who}'
        parts = [f'"{name}":' + ("%s" if name in _NUMBERS else '"%s"') for name in base]
        texts = [at for at, name in enumerate(base, 1) if name not in _NUMBERS and name not in _IDS]
        unsaid: set[int] = set()
        for at, (name, value) in enumerate(facts.items(), 1 + count):
            kind = type(value)
            if kind is str:
                parts.append(f'"{name}":"%s"')
                texts.append(at)
            elif kind is int or (kind is float and name.endswith("_ms")):  # of our own clock, so finite
                parts.append(f'"{name}":%s')
            elif kind is bool and name == "stream":
                parts.append(f'"{name}":{"true" if value else "false"}%.0s')
                unsaid.add(at)
            else:
                return None
        rest = (at for at in range(1 + count + len(facts)) if at not in texts and at not in unsaid)
        text = head + ",".join(parts) + "}"
        return _Form(text, frozenset(texts), itemgetter(*texts), itemgetter(*rest), {})
