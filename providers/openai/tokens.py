"""The usual token of a canonical stream, recognised without being decoded.

The events of one answer are alike but for a piece of text. So the shape of one that was decoded and found sound, the
bytes before and after its text, vouches for the next that has it: JSON is read from left to right, and after the same
bytes a text without quotes, backslashes and control characters leads to the same state, where the same bytes follow.

Laws: what is recognised would be decoded to the same chunk with another text, and nothing else is ever recognised:
whatever is new, odd, escaped or incomplete is left to be decoded. Pure.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from pydantic_core import from_json

from llm_proxy.wire.plain_text import is_text, is_utf8

#: Where tokens have their text: the answer, and what "reasoning" models think before it.
_TEXTS = ("content", "reasoning_content")
#: What a text may consist of so that it ends where it seems to, as the set of bytes to strike out.
_PLAIN = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\')
_HEAD, _END = b"data: ", b"\n\n"
_BACKSLASH = b"\\"[0]
#: How often a shape is learnt in one stream, which costs as much as some ten events. Two or three are usual: the first
#: event names the role too, and the answer comes after the reasoning.
_LESSONS = 6


class TokenShape:
    """What one stream's tokens have in common. ``leading`` and ``rest`` tell what is of that shape, ``learn`` it from what was not."""

    __slots__ = ("_after", "_before", "_joint", "_lessons", "_start", "_tail", "known")

    def __init__(self) -> None:
        self._before = self._after = b""
        #: What stands between the texts of two events, once there were two in one read.
        self._joint = b""
        self._start = self._tail = 0
        self._lessons = _LESSONS
        #: What an event is before and after its text, once that was learnt; each time another tuple.
        self.known: tuple[bytes, bytes] | None = None

    def rest(self, data: bytes) -> bytes:
        """What ``data`` is from its text on, if it is exactly one event of the known shape; else nothing."""
        after = self._after
        if not after:
            return b""
        start, end = self._start, len(data) - self._tail
        # Pieces are compared more quickly than ``startswith`` is called.
        if start <= end and data[end:] == after and data[:start] == self._before:
            text = data[start:end]
            if is_text(text):
                return data[start:]
        return b""

    def leading(self, data: bytes) -> tuple[int, int]:
        """With how many whole events of the known shape ``data`` begins, and how many bytes these are.

        What follows a text begins with a quote, and a text has none. So where it is found first, after a text without quotes,
        the event ends.
        """
        before, after, start = self._before, self._after, self._start
        if not after or not data.startswith(before):
            return 0, 0
        pieces = data.split(after)
        del pieces[-1]
        texts = [piece[start:] for piece in pieces]
        joined = b"".join(texts)
        count = len(texts)
        size = len(joined) + count * (start + self._tail)
        sound = not joined.translate(None, _PLAIN) and (joined.isascii() or all(map(is_utf8, texts)))
        if count > 1 and not self._joint:
            self._joint = after + before
        # Written and compared at once, which is quicker than to look for so many bytes again and again.
        if sound and (not count or data.startswith(b"%b%b%b" % (before, self._joint.join(texts), after))):
            return count, size
        texts = [*takewhile(is_text, (piece[start:] for piece in takewhile(self._begins, pieces)))]
        return len(texts), sum(map(len, texts)) + len(texts) * (start + self._tail)

    def _begins(self, piece: bytes) -> bool:
        return piece.startswith(self._before)

    def learn(self, value: dict[str, Any], line: bytes, raw: bytes) -> None:
        """Take the shape of an event that is sound: ``raw``, whose ``data:`` line was decoded to ``value``."""
        if not self._lessons or (self._before and raw.startswith(self._before)):
            return  # else it is of that shape, but for what differs in each
        key = _text_key(value)
        if key is None or value.get("usage") or raw != _HEAD + line + _END:
            return
        self._lessons -= 1
        mark = b'"%b":' % key.encode()
        start = line.find(mark) + len(mark)
        if line[start : start + 1] == b" ":
            start += 1
        end = line.find(b'"', start + 1)
        if line[start : start + 1] != b'"' or _BACKSLASH in line[start:end]:
            return
        before, after = line[: start + 1], line[end:]
        # The proof that this is the text, and not another that looks like it.
        if from_json(before + b"?" + after) == _with_text(value, key, "?"):
            self._before, self._after = _HEAD + before, after + _END
            self._start, self._tail = len(self._before), len(self._after)
            self._joint = b""
            self.known = self._before, self._after


def _text_key(value: dict[str, Any]) -> str | None:
    """Which field of its only choice has the text of an event, if there is one. (The other is often there, and empty.)"""
    if len(value["choices"]) != 1:
        return None
    delta = value["choices"][0].get("delta") or {}
    return next((key for key in _TEXTS if delta.get(key) and type(delta[key]) is str), None)


def _with_text(value: dict[str, Any], key: str, text: str) -> dict[str, Any]:
    (choice,) = value["choices"]
    return {**value, "choices": [{**choice, "delta": {**choice["delta"], key: text}}]}
