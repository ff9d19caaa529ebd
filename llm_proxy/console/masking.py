"""The text of a configuration file, fit to be looked at: what may be a secret is ``***``.

Laws: the file may be broken, and so is read word by word, without its grammar: a text is shown if it is a key, or the value of a
field that holds names; everything else that stands in quotes, or is no number, true, false or null, is withheld. So a secret
stays one where a quote or a comma is missing, and in a field that nobody knows. Lines keep their numbers; a ``${NAME}`` is no
secret. What was withheld can be put back from the file itself. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import NamedTuple

from llm_proxy.wire.json_scan import Scan, scan

MASK = "***"

#: Fields whose texts are names or words.
_SHOWN = frozenset(
    {
        *("$schema", "api_type", "api_host", "vendor", "api", "model", "keep_alive", "load", "languages"),
        *("capabilities", "prompt", "on_client_gone", "alias", "policy", "affinity", "on_break", "fallbacks"),
        *("on", "after", "ca", "client_cert", "client_key", "reasoning_effort", "verbosity", "service_tier"),
        *("think", "effort"),
    }
)
#: What a row of a model (below the file, its provider and its name) may have below it that holds such fields.
_NESTED = frozenset(
    {"options", "timeouts", "limits", "languages", "capabilities", "fallbacks", "on", "queue", "hedge"}
)
_DEPTH = 3
#: Names of remarks begin so.
_REMARK = "$comment"
#: Whoever has a name may go before a placeholder; and what may stand around one.
_HARMLESS = re.compile(r"\s*(Bearer|Basic|Token|Key)?\s*", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}")
_WITH_PASSWORD = re.compile(r"//[^/@\s]*@")
_ADDRESS = re.compile(
    r"[a-z]+://(\*\*\*@)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])?(:[0-9]+)?(/[A-Za-z0-9_.~/:%-]*)?", re.ASCII
)
_QUERY = re.compile(r"[?#][^\s]*")
#: In a remark, and in a broken text: a long word of letters and digits that is no name of a model and no address.
_LIKE_A_KEY = re.compile(
    r"(?=[A-Za-z_+=-]{0,200}[0-9])(?=[0-9_+=-]{0,200}[A-Za-z])[A-Za-z0-9_+=-]{16,}", re.ASCII
)

_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<mark>[{}\[\]:,])|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<open>"[^\n]*)|(?P<word>[^\s{}\[\]:,"]+)'
)
_PLAIN = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_.-]{0,60}")
_COLON = re.compile(r"\s*:")
_DECODER = JSONDecoder()


class Masked(NamedTuple):
    """``withheld``: how many values."""

    text: str
    withheld: int


def masked(text: str) -> Masked:
    """``text`` without its secrets."""
    count = 0
    parts: list[str] = []
    for part, withheld in _parts(text, broken=not _is_json(text)):
        parts.append(part)
        count += withheld
    return Masked("".join(parts), count)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parts(text: str, *, broken: bool) -> Iterator[tuple[str, bool]]:
    #: For each bracket that is open: which one, and the key under which it stands.
    above: list[tuple[str, str]] = []
    key = ""
    #: Whether what comes is a value, whatever comes behind it.
    value = False
    for match in _TOKEN.finditer(text):
        part, kind = match[0], match.lastgroup
        if kind == "space":
            yield part, False
        elif kind == "mark":
            if part in "{[":
                above.append((part, key))
            elif part in "}]" and above:
                above.pop()
            if part == "{":
                key = ""
            elif part in "}],":  # an item of a list stands under the list's key
                key = above[-1][1] if above and above[-1][0] == "[" else ""
            value = part == ":" or bool(above and above[-1][0] == "[")
            yield part, False
        elif not value and kind in ("text", "word") and _COLON.match(text, match.end()):
            key = _read(part)
            # Where the grammar is broken a key may be half of anything.
            seen = _LIKE_A_KEY.sub(MASK, _WITH_PASSWORD.sub(f"//{MASK}@", part)) if broken else part
            seen = seen if kind == "text" or _NAME.fullmatch(part) else MASK
            yield seen, seen != part
        elif kind == "word" and _PLAIN.fullmatch(part):
            yield part, False
        elif kind == "text":
            said = _read(part)
            hidden = any(name not in _NESTED for _, name in above[_DEPTH:])
            shown = said if _is_filled(said) else "" if hidden and said else _shown(key, said, broken)
            if shown == said:
                yield part, False
            else:
                yield json.dumps(shown or MASK, ensure_ascii=False), True
        else:
            yield (json.dumps(MASK) if kind == "open" else MASK), True


def _read(part: str) -> str:
    if not part.startswith('"'):
        return part
    try:
        return str(json.loads(part))
    except ValueError:
        return part[1:-1]


def _shown(key: str, value: str, broken: bool) -> str:
    """What may be seen of the value of ``key``; empty: nothing. In a ``broken`` text nobody knows what stands where."""
    if key.startswith(_REMARK) or broken:
        value = _LIKE_A_KEY.sub(MASK, value)
    elif key not in _SHOWN:
        return ""
    if "://" in value:
        value = _QUERY.sub("", _WITH_PASSWORD.sub(f"//{MASK}@", value))
    if key == "api_host" and not _ADDRESS.fullmatch(_PLACEHOLDER.sub("1", value)):
        return ""  # what is no address may be anything
    return value


def _is_filled(value: str) -> bool:
    """Whether it says only where the secret is."""
    if not _PLACEHOLDER.search(value):
        return False
    return _HARMLESS.fullmatch(_PLACEHOLDER.sub("", value)) is not None


class Unfillable(ValueError):
    """A mask stands where the file has no secret; ``path`` is where."""

    def __init__(self, path: str, line: int, column: int) -> None:
        super().__init__(path)
        self.path, self.line, self.column = path, line, column


def filled(text: str, base: str) -> str:
    """``text`` with what ``base`` has in the place of each mask. Raises ``Unfillable``; a broken text is as it is."""
    if MASK not in text:
        return text
    new = scan(text)
    if new.value is None:
        return text
    old = scan(base)
    wanted = [(start, path) for path, (_, start) in new.where.items() if MASK in _string_at(text, start)]
    parts, at = [], 0
    for start, path in sorted(wanted):
        mine, end = _DECODER.raw_decode(text, start)
        theirs = _part_at(base, old, path)
        if not theirs.startswith('"') or json.loads(masked_value(path, theirs)) != mine:
            line = text.count("\n", 0, start) + 1
            column = start - text.rfind("\n", 0, start)
            raise Unfillable(".".join(map(str, path)), line, column)
        parts += [text[at:start], theirs]
        at = end
    return "".join([*parts, text[at:]])


def _string_at(text: str, start: int) -> str:
    return str(_DECODER.raw_decode(text, start)[0]) if text.startswith('"', start) else ""


def _part_at(text: str, found: Scan, path: tuple[str | int, ...]) -> str:
    """The value at ``path``, as it is written; empty if there is none."""
    if path not in found.where:
        return ""
    start = found.where[path][1]
    return text[start : _DECODER.raw_decode(text, start)[1]] if text.startswith('"', start) else ""


def masked_value(path: tuple[str | int, ...], part: str) -> str:
    """The text of one value, as ``masked`` shows it where it stands."""
    before = "".join("[" if isinstance(step, int) else f"{{{json.dumps(step)}: " for step in path)
    after = "".join("]" if isinstance(step, int) else "}" for step in reversed(path))
    return masked(before + part + after).text[len(before) :].removesuffix(after)
