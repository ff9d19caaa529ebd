"""The usual line of a stream of Ollama's, recognised without being decoded.

The lines of one answer are alike but for the time at which each was made, which nobody reads, and a piece of text. So the shape
of one that was decoded vouches for the next that has it (``providers.openai.tokens`` says why), and its text stands in the
chunk as it stands in the line: both are JSON.

Laws: what is recognised would be decoded to the same chunk with another text, and nothing else is ever recognised. Pure.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.plain_text import is_text
from llm_proxy.wire.sse import sse_data
from providers.base import Chunk
from providers.common.json_objects import Malformed, loads_object

_STAMP = b'"created_at":"'
_BACKSLASH = ord("\\")
#: How often a shape is learnt in one stream: the answer comes after the thinking.
_LESSONS = 6
#: Longer than any time.
_LONG = 64


class LineShape:
    """What one stream's lines have in common. ``known``: what the event of the chunk is before and after the text."""

    __slots__ = ("_after", "_between", "_head", "_key", "_lessons", "_tail", "known")

    def __init__(self) -> None:
        self._head = self._between = self._tail = self._after = b""
        #: Which text it has.
        self._key = ""
        self._lessons = _LESSONS
        self.known: tuple[bytes, bytes] | None = None

    def rest(self, data: bytes) -> bytes:
        """The text and what follows it in the chunk's event, if ``data`` is exactly one line of the known shape; else nothing."""
        head = self._head
        at = len(head)
        if not at or data[:at] != head:
            return b""
        stamp = data.find(b'"', at)
        start, end = stamp + len(self._between), len(data) - len(self._tail)
        if not (0 < stamp < at + _LONG and start < end):  # an empty text is no chunk
            return b""
        if data[stamp:start] != self._between or data[end:] != self._tail:
            return b""
        text = data[start:end]
        time = data[at:stamp]
        return text + self._after if time.isascii() and is_text(time + text) else b""

    def learn(self, line: bytes, end: bytes, value: dict[str, Any], key: str, chunk: Chunk) -> None:
        """Take the shape of ``line``, which ended in ``end`` and was decoded to ``value``: all that it told is the text ``key`` of
        its message, the only one in ``chunk``."""
        if not self._lessons or key == self._key:
            return  # else it is of that shape, but for what differs in each
        self._lessons -= 1
        mark = b'"%b":"' % key.encode()
        at, start = line.find(_STAMP) + len(_STAMP), line.find(mark) + len(mark)
        stamp, after = line.find(b'"', at), line.find(b'"', start)
        if not len(_STAMP) <= at <= stamp < start <= after or _BACKSLASH in line:
            return
        head, between, tail = line[:at], line[stamp:start], line[after:]
        # The proof that these are the two that differ, and not others that look like them.
        like = {**value, "created_at": "?", "message": {**value["message"], key: "!"}}
        try:
            if loads_object(head + b"?" + between + b"!" + tail) != like:
                return
        except Malformed:
            return
        ((name, text),) = chunk.data["choices"][0]["delta"].items()
        written = sse_data(chunk.data)
        before, found, behind = written.rpartition(b'"%b":"%b"' % (name.encode(), text.encode()))
        if found:
            before, behind = before + b'"%b":"' % name.encode(), b'"' + behind
            self._head, self._between, self._tail = head, between, tail + end
            self._key, self._after, self.known = key, behind, (before, behind)
