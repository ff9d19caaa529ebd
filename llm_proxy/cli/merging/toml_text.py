"""TOML, line by line: values at the top, and tables with a head of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.merging.values import MergeError
from llm_proxy.faces.programs.writing import toml_key, toml_lines

_HEAD = re.compile(r"\s*\[")
#: A text of several lines, in which nothing is a head.
_TEXT = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_VALUE = r"""("(?:[^"\\]|\\.)*"|'[^']*'|\{.*\}|\[.*\]|[^\s#"'\[{]+)"""


def edited(text: str, old: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """``text``, which says ``old``, made to say ``wanted``. Raises ``MergeError`` for what it does not know."""
    lines = text.splitlines()
    _table(lines, (), old, wanted)
    return "\n".join(lines) + "\n"


def _table(
    lines: list[str], path: tuple[str, ...], old: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    for name, value in wanted.items():
        before = old.get(name)
        if before == value:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping) and not name.startswith("env_"):
            _table(lines, (*path, name), before, value)
        elif isinstance(value, Mapping) and before is None and not name.startswith("env_"):
            lines += ["", *toml_lines({name: value}, path)] if path else ["", *toml_lines({name: value})]
        else:
            _value(lines, path, name, value)


def _value(lines: list[str], path: tuple[str, ...], name: str, value: Any) -> None:
    start, end = _extent(lines, path)
    (new,) = toml_lines({name: value})
    line = re.compile(rf"(\s*(?:{re.escape(name)}|\"{re.escape(name)}\")\s*=\s*){_VALUE}(\s*(?:#.*)?)")
    for at in range(start, end):
        if found := line.fullmatch(lines[at]):
            lines[at] = found[1] + new.partition(" = ")[2] + found[3]
            return
    at = end
    while at > start and (not lines[at - 1].strip() or (not path and lines[at - 1].lstrip().startswith("#"))):
        at -= 1
    lines.insert(at, new)


def _extent(lines: list[str], path: tuple[str, ...]) -> tuple[int, int]:
    """The lines of a table, without its head."""
    shown = _TEXT.sub(lambda found: "\n" * found[0].count("\n"), "\n".join(lines)).split("\n")
    heads = [at for at, line in enumerate(shown) if _HEAD.match(line)]
    if not path:
        return 0, heads[0] if heads else len(lines)
    keys = r"\s*\.\s*".join(
        rf"(?:{re.escape(toml_key(key))}|\"{re.escape(key)}\"|'{re.escape(key)}')" for key in path
    )
    head = re.compile(rf"\s*\[\s*{keys}\s*\]\s*(?:#.*)?")
    for number, at in enumerate(heads):
        if head.fullmatch(lines[at]):
            return at + 1, heads[number + 1] if number + 1 < len(heads) else len(lines)
    raise MergeError("its layout is not one that this command can edit: add the lines by hand")
