"""YAML in blocks: mappings of plain values, and lists of such mappings, as people write settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.merging.values import MergeError
from llm_proxy.faces.programs.writing import yaml_lines

_VALUE = r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#"'\[{|>&*!][^#]*?)"""


def read(text: str) -> Any:
    """What it says. Raises ``ValueError``, or ``MergeError`` without PyYAML."""
    try:
        import yaml
    except ImportError:
        raise MergeError("to edit YAML that is there needs: pip install 'llm-proxy-api[import]'") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError("not YAML") from error


def edited(text: str, old: Any, wanted: Any) -> str:
    """``text``, which says ``old``, made to say ``wanted``. Raises ``MergeError`` for what it does not know."""
    lines = text.splitlines()
    if isinstance(old, list):
        _items(lines, 0, len(lines), old, wanted)
    else:
        _mapping(lines, 0, len(lines), 0, old, wanted)
    return "\n".join(lines) + "\n"


def _mapping(
    lines: list[str], start: int, end: int, indent: int, old: Mapping[str, Any], wanted: Mapping[str, Any]
) -> int:
    """Edit the mapping in these lines; how many lines more there are then."""
    grown = 0
    for name, value in wanted.items():
        if name in old and old[name] == value:
            continue
        at = _key(lines, start, end + grown, indent, name) if name in old else None
        if at is None:
            if name in old:
                raise MergeError("its layout is not one that this command can edit: add the lines by hand")
            place = _last(lines, start, end + grown)
            new = yaml_lines({name: value}, indent)
            lines[place:place] = new
            grown += len(new)
            continue
        stop = _stop(lines, at, end + grown, indent)
        if (
            isinstance(value, list)
            and isinstance(old[name], list)
            and old[name]
            and len(value) >= len(old[name])
        ):
            grown += _items(lines, at + 1, stop, old[name], value)
            continue
        found = re.fullmatch(rf"(.{{{indent}}}[^:]+:\s+){_VALUE}(\s*(?:\s#.*)?)", lines[at])
        if found and not isinstance(value, (list, Mapping)):
            (new_line,) = yaml_lines({"k": value})
            lines[at] = found[1] + new_line.removeprefix("k: ") + found[3]
            continue
        new = yaml_lines({name: value}, indent)
        new[0] = lines[at][:indent] + new[0][indent:]
        lines[at:stop] = new
        grown += len(new) - (stop - at)
    return grown


def _items(lines: list[str], start: int, end: int, old: list[Any], wanted: list[Any]) -> int:
    """Edit a list in blocks, items of which are mappings; how many lines more there are then."""
    marks = [at for at in range(start, end) if re.match(r"\s*-(\s|$)", lines[at])]
    if not marks:
        raise MergeError("its layout is not one that this command can edit: add the lines by hand")
    column = lines[marks[0]].index("-")
    marks = [at for at in marks if lines[at].index("-") == column]
    if len(marks) != len(old):
        raise MergeError("its layout is not one that this command can edit: add the lines by hand")
    grown = 0
    for number in reversed(range(len(old))):
        if old[number] == wanted[number]:
            continue
        if not isinstance(old[number], Mapping):
            raise MergeError("its layout is not one that this command can edit: add the lines by hand")
        at = marks[number]
        stop = marks[number + 1] if number + 1 < len(marks) else end
        head = lines[at]
        inner = column + 1 + len(re.match(r"\s*", head[column + 1 :])[0])  # type: ignore[index]  # it matches anything
        lines[at] = " " * inner + head[inner:]
        grown += _mapping(lines, at, stop, inner, old[number], wanted[number])
        lines[at] = head[:inner] + lines[at][inner:]
    new = yaml_lines(wanted[len(old) :], column)
    place = _last(lines, start, end + grown)
    lines[place:place] = new
    return grown + len(new)


def _key(lines: list[str], start: int, end: int, indent: int, name: str) -> int | None:
    key = re.compile(
        rf"\s{{{indent}}}(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')\s*:(?:\s|$)"
    )
    return next((at for at in range(start, end) if key.match(lines[at])), None)


def _stop(lines: list[str], at: int, end: int, indent: int) -> int:
    """The line behind the value that begins at ``at``."""
    for line in range(at + 1, end):
        text = lines[line]
        if text.strip() and not text.lstrip().startswith("#"):
            column = len(text) - len(text.lstrip())
            if column < indent or (column == indent and not text.lstrip().startswith("- ")):
                return _last(lines, at, line)
    return _last(lines, at, end)


def _last(lines: list[str], start: int, end: int) -> int:
    """Behind the last line that says something."""
    while end > start and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end
