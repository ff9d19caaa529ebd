r"""One prompt text: its slots, its hash and how it is filled. No file, no other prompt, no network.

Laws: a text is cut into literals and slot names once, when it is loaded; filling joins the pieces and never
looks at a value again, so nothing that a client sends can be taken for a slot or for code. The same bytes
have the same hash on every machine: it is the SHA-256 of the file as it lies on disk, the one that
``sha256sum`` prints.

The grammar: ``{{ name }}`` is a slot; a name is a letter or ``_``, then letters, digits and ``_``; blanks and
tabs around it are optional. ``\{{`` stands for a literal ``{{``. Any other ``{{`` is a fault of the text,
because nobody would notice a misspelt slot that reaches a model as text. ``}}`` alone means nothing.

Not part of the text: a byte order mark at the beginning, and one newline at the end, which most editors add.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from llm_proxy.errors import InvalidRequest, Problem

#: The largest file that is read as a prompt, in bytes.
MAX_BYTES = 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_MARK = re.compile(r"\\\{\{|\{\{[ \t]*([^\W\d]\w*)[ \t]*\}\}|\{\{")


class PromptFault(ValueError):
    """A file that is no prompt. The message goes on after its path, and holds none of its text."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One version of one prompt in one language, made by ``Prompt.of``. Its repr holds no text."""

    id: str
    language: str
    #: SHA-256 of the file's bytes, 64 hexadecimal digits. Headers and logs show the first eight.
    hash: str
    #: The names of the slots, each once, in the order of their first appearance.
    slots: tuple[str, ...]
    #: The text as it was written, slots and escapes included.
    text: str = field(repr=False)
    #: Literals at even places, slot names at odd ones.
    pieces: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, id: str, language: str, data: bytes) -> Self:
        """The prompt that a file of these bytes holds. Raises ``PromptFault``."""
        text = _decoded(data)
        pieces = tuple(_pieces(text))
        digest = hashlib.sha256(data).hexdigest()
        return cls(id, language, digest, tuple(dict.fromkeys(pieces[1::2])), text, pieces)

    @property
    def ref(self) -> str:
        """``id@hash8``: the name of exactly this version in headers, logs and requests."""
        return f"{self.id}@{self.hash[:8]}"

    def render(self, variables: Mapping[str, str | int | float | bool]) -> str:
        """The text with each slot replaced by its value, as plain text.

        Numbers appear as Python prints them, booleans as ``true`` and ``false``. Raises ``InvalidRequest``
        that names each slot without a value and each value without a slot.
        """
        slots = self.slots
        if len(variables) != len(slots) or not all(name in variables for name in slots):
            raise InvalidRequest.of(self._mismatches(variables))
        pieces = list(self.pieces)
        for place in range(1, len(pieces), 2):
            pieces[place] = _plain(variables[pieces[place]])
        return "".join(pieces)

    def _mismatches(self, variables: Mapping[str, object]) -> Iterator[Problem]:
        for name in self.slots:
            if name not in variables:
                yield Problem(f"prompt_vars.{name}", f"is required by the prompt '{self.id}'")
        slots = frozenset(self.slots)
        known = f"its slots are {', '.join(self.slots)}" if self.slots else "it has none"
        extra = f"is no slot of the prompt '{self.id}'; {known}"
        for name in variables:
            if name not in slots:  # ``InvalidRequest.of`` shows some and counts the rest
                yield Problem(f"prompt_vars.{shown(name)}", extra)


def shown(name: str, limit: int = 100) -> str:
    """A name from outside, fit for a message: cut, and what cannot be printed is escaped."""
    cut = name if len(name) <= limit else name[:limit] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise PromptFault("is larger than 1 MiB")
    data = data.removeprefix(_BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptFault(f"is not valid UTF-8 (line {line})") from error
    if "\0" in text:
        # English in UTF-16 without a mark is valid UTF-8 full of NULs; so is a hole that a crash left.
        raise PromptFault(f"holds a NUL character (line {_line(text, text.index(chr(0)))}); is it UTF-16?")
    if not text.strip():
        # Writers that truncate first leave an empty file for a moment. It must not replace the text.
        raise PromptFault("is empty; delete the file to remove the prompt")
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


def _pieces(text: str) -> Iterator[str]:
    """Literal, slot name, literal, ..., literal. Raises ``PromptFault`` at a ``{{`` that is neither."""
    literal: list[str] = []
    end = 0
    for mark in _MARK.finditer(text):
        literal.append(text[end : mark.start()])
        end = mark.end()
        if mark[1] is not None:
            yield "".join(literal)
            yield mark[1]
            literal = []
        elif mark[0] == "\\{{":
            literal.append("{{")
        else:
            line = _line(text, mark.start())
            raise PromptFault(
                f"line {line}: this '{{{{' begins no slot like {{{{ name }}}}; a literal one is \\{{{{"
            )
    literal.append(text[end:])
    yield "".join(literal)


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _plain(value: str | int | float | bool) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
