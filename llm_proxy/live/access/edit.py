"""An edit of access.json that keeps its layout: what stands around the changed row stays as somebody wrote it.

Laws: the text that comes out says exactly what went in and the one change, or ``EditError`` is raised; the file is replaced
in one step, by one command at a time, and keeps its mode. Blocking: for the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llm_proxy.live.access.loader import MAX_BYTES, load_access
from llm_proxy.live.access.terms import is_comment
from llm_proxy.live.config.report import ConfigError, did_you_mean, path_text
from llm_proxy.live.files import rewrite
from llm_proxy.wire.json_scan import Scan, scan

_KEYS = "keys"
_NEW = '{\n  "$schema": "access.schema.json",\n  "keys": {}\n}\n'
_DECODER = json.JSONDecoder()


class EditError(Exception):
    """The edit cannot be made; the text is one line. ``field``: which field of the key does not fit, if one does not."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def added(text: str, name: str, row: Mapping[str, Any]) -> str:
    """``text`` with a key more."""
    found = _scanned(text)
    if is_comment(name):
        raise EditError("such a name is a comment in this file")
    entry = f"{_text(name)}: {_text(row)}"
    if (_KEYS,) not in found.where:
        start = text.index("{") + 1
        comma = "," if found.value else ""
        return f"{text[:start]}\n  {_text(_KEYS)}: {{\n    {entry}\n  }}{comma}{text[start:]}"
    names = list(found.value[_KEYS])
    if name in names:
        raise EditError("there is a key of that name; 'llm-proxy key rotate' gives it a new text")
    if not names:
        start = found.where[_KEYS,][1] + 1
        end = text.index("}", start)
        return f"{text[:start]}\n    {entry}\n  {text[end:]}"
    _, end = _span(text, found, (_KEYS, names[-1]))
    return f"{text[:end]},{_gap(text, found, names[-1])}{entry}{text[end:]}"


def rotated(text: str, name: str, newest: str) -> str:
    """``text`` with a new hash of the key: the newest first, and one old one beside it."""
    found = _scanned(text)
    row = _row(found, name)
    old = row["hash"]
    kept = old if isinstance(old, str) else old[0]
    start, end = _span(text, found, (_KEYS, name, "hash"))
    return text[:start] + _text([newest, kept]) + text[end:]


def removed(text: str, name: str) -> str:
    """``text`` without that key."""
    found = _scanned(text)
    _row(found, name)
    names = list(found.value[_KEYS])
    start, end = found.where[_KEYS, name][0], _span(text, found, (_KEYS, name))[1]
    at = names.index(name)
    if at + 1 < len(names):
        return text[:start] + text[found.where[_KEYS, names[at + 1]][0] :]
    if at:
        start = _span(text, found, (_KEYS, names[at - 1]))[1]
    return text[:start] + text[end:]


def edit(path: Path, name: str, change: Callable[[str], str]) -> None:
    """Replace the file by what ``change``, which concerns the key of that name, makes of its text. Raises ``EditError``, ``ConfigError`` (of
    the file as it lies there) or ``OSError``."""

    def changed(before: bytes | None) -> bytes:
        before = _NEW.encode() if before is None else before
        sound = load_access(before, path.name)
        after = change(before.decode()).encode()
        try:
            load_access(after, path.name, sound)
        except ConfigError as error:  # where that would stand tells nobody anything: it was not written
            raise unfit(error, name) from None
        return after

    try:
        rewrite(path, MAX_BYTES, changed)
    except FileNotFoundError:
        raise EditError(f"there is no directory {path.parent}") from None


def unfit(error: ConfigError, name: str) -> EditError:
    """What is wrong with the row of that key, which is to be written."""
    problem = error.problems[0]
    field = problem.path.removeprefix(path_text((_KEYS, name))).lstrip(".").partition(".")[0]
    return EditError(problem.message, field)


def _scanned(text: str) -> Scan:
    found = scan(text)
    if not isinstance(found.value, dict) or not isinstance(found.value.get(_KEYS, {}), dict):
        raise EditError("the file is not sound")
    return found


def _row(found: Scan, name: str) -> dict[str, Any]:
    keys: dict[str, Any] = {
        key: row for key, row in found.value.get(_KEYS, {}).items() if not is_comment(key)
    }
    row: dict[str, Any] | None = keys.get(name)
    if row is None:
        raise EditError(f"there is no key of that name{did_you_mean(name, keys)}")
    return row


def _span(text: str, found: Scan, path: tuple[str, ...]) -> tuple[int, int]:
    """Where the value at ``path`` begins and ends."""
    start = found.where[path][1]
    return start, _DECODER.raw_decode(text, start)[1]


def _gap(text: str, found: Scan, name: str) -> str:
    """What stands before a key's name: a line's end and its indentation, most often."""
    at = found.where[_KEYS, name][0]
    start = at
    while text[start - 1].isspace():
        start -= 1
    return text[start:at] or " "


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
