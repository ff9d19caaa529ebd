"""JSON, with comments and a comma at the end of a list as editors' own files have them."""

from __future__ import annotations

import json
import re
from typing import Any

from llm_proxy.cli.merging.values import MergeError
from llm_proxy.wire.json_scan import Scan, scan

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_DECODER = json.JSONDecoder()
#: From where to where, and what stands there then.
Edit = tuple[int, int, str]


def bare(text: str) -> tuple[str, list[int]]:
    """``text`` as plain JSON of the same length, spaces in the place of comments and of commas before an end; where those commas are."""

    def blank(found: re.Match[str]) -> str:
        return found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0])

    plain = _TOKEN.sub(blank, text.replace("\ufeff", " ", 1))
    commas = [found.start() for found in _COMMA.finditer(plain) if found[0] == ","]
    return _COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", plain), commas


def edited(text: str, old: Any, wanted: Any) -> str:
    """``text``, which says ``old``, made to say ``wanted``. Raises ``MergeError``."""
    plain, commas = bare(text)
    found = scan(plain)
    if found.problems:
        raise MergeError("it has the same key twice: mend it first")
    editor = _Editor(text, plain, commas, found)
    editor.change((), old, wanted)
    for start, end, new in sorted(editor.edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class _Editor:
    def __init__(self, text: str, plain: str, commas: list[int], found: Scan) -> None:
        self.text, self.plain, self.commas, self.found = text, plain, commas, found
        self.edits: list[Edit] = []
        self.unit = "\t" if re.search(r"^\t", text, re.MULTILINE) else "  "

    def change(self, path: tuple[str | int, ...], old: Any, wanted: Any) -> None:
        """Note what has to be changed at ``path``."""
        if old == wanted:
            return
        if isinstance(old, dict) and isinstance(wanted, dict):
            keys: list[str | int] = list(old)
            for key, value in old.items():
                self.change((*path, key), value, wanted[key])
            self.insert(
                path,
                keys,
                [
                    f"{json.dumps(key)}: " + self.shown(path, value)
                    for key, value in wanted.items()
                    if key not in old
                ],
            )
        elif isinstance(old, list) and isinstance(wanted, list) and len(wanted) >= len(old) and old:
            for at, value in enumerate(old):
                self.change((*path, at), value, wanted[at])
            self.insert(
                path, list(range(len(old))), [self.shown(path, value) for value in wanted[len(old) :]]
            )
        else:
            start, end = self.span(path)
            self.edits.append((start, end, self.shown(path[:-1], wanted)))

    def span(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Where the value at ``path`` begins and ends."""
        start = self.found.where[path][1] if path else len(self.plain) - len(self.plain.lstrip())
        return start, _DECODER.raw_decode(self.plain, start)[1]

    def insert(self, path: tuple[str | int, ...], there: list[str | int], entries: list[str]) -> None:
        """Behind the members that are there."""
        if not entries:
            return
        indent = self.indent(path)
        if not there:
            start, end = self.span(path)
            lines = f",\n{indent}{self.unit}".join(entries)
            inside = self.text[start + 1 : end - 1].rstrip()  # a comment, at most
            self.edits.append((start + 1, end - 1, f"{inside}\n{indent}{self.unit}{lines}\n{indent}"))
            return
        last = (*path, there[-1])
        end = self.span(last)[1]
        begin = self.found.where[last][0]
        line = self.text.rfind("\n", 0, begin) + 1
        own_line = not self.text[line:begin].strip()
        gap = "\n" + self.text[line:begin] if own_line else " "
        close = self.span(path)[1] - 1
        comma = next((at for at in self.commas if end <= at < close), None)
        stop = self.text.find("\n", end)
        alone = own_line and 0 <= stop < close and not self.plain[end:stop].strip()
        behind = stop if alone else end if comma is None else comma + 1
        new = ",".join(gap + entry for entry in entries)
        if comma is not None:
            new += ","
        elif behind == end:
            new = "," + new
        else:
            self.edits.append((end, end, ","))
        self.edits.append((behind, behind, new))

    def indent(self, path: tuple[str | int, ...]) -> str:
        """The white space that begins the line on which the value at ``path`` begins."""
        at = self.found.where[path][0] if path else 0
        line = self.text.rfind("\n", 0, at) + 1
        found = re.match(r"[ \t]*", self.text[line:])
        assert found is not None
        return found[0]

    def shown(self, path: tuple[str | int, ...], value: Any) -> str:
        """A value as it stands one level below ``path``."""
        text = json.dumps(value, indent=self.unit if self.unit == "\t" else 2, ensure_ascii=False)
        return text.replace("\n", "\n" + self.indent(path) + self.unit)
