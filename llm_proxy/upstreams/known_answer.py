"""The head of a connection's last answer, and whether the next one is like it.

An upstream's answers mostly differ in their length and their date alone, so what was found out of a head that llhttp has judged
holds for the next one too. Laws: pure; a head is taken for like it only if each of its bytes is known: the same as before, digits
of the length, a date. Which fields there are, and what they mean for the body, is then the same.
"""

from __future__ import annotations

import re

from llm_proxy.upstreams.response_head import Framing, ResponseHead

#: Longest head that is kept, and the most digits of a length (``ResponseHead`` takes no more).
_LONGEST, _DIGITS = 4096, 18
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})\r\n", re.IGNORECASE)
#: RFC 9110, section 5.6.7; all of them have so many characters.
_DATE = re.compile(
    rb"\r\ndate: ([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT)\r\n", re.IGNORECASE
)
_DATED = re.compile(rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_DATE_SIZE = 29
#: How many bytes are looked through for the end of a length.
_ROOM = _DIGITS + 1


class KnownAnswer:
    """``head``, in ``raw``, as it came on this connection. Make it with ``of``."""

    __slots__ = ("_after", "_before", "_between", "_date", "_date_at", "_head", "_length_at")

    def __init__(self, raw: bytes, head: ResponseHead, length: tuple[int, int], date: int) -> None:
        start, end = length
        self._head = head
        #: The date, and where it stands before the length or (counted from the end of the length) behind it; -1: not there.
        self._date = raw[date : date + _DATE_SIZE] if date >= 0 else b""
        if 0 <= date < start:
            self._before, self._between = raw[:date], raw[date + _DATE_SIZE : start]
        else:
            self._before, self._between = raw[:start], b""
        self._date_at = date - end if date > end else -1
        self._after = raw[end:]
        self._length_at = start

    @classmethod
    def of(cls, raw: bytes, head: ResponseHead) -> KnownAnswer | None:
        """What is kept of a head for the next one; None if nothing is."""
        if head.framing is not Framing.LENGTH or len(raw) > _LONGEST:
            return None
        length, date = _LENGTH.search(raw), _DATE.search(raw)
        if length is None or len(_LENGTH.findall(raw)) > 1 or int(length[1]) != head.length:
            return None
        return cls(raw, head, length.span(1), -1 if date is None else date.start(1))

    def read(self, data: bytes) -> tuple[ResponseHead, int] | None:
        """The head with which ``data`` begins, and where it ends; None if it is not like the last one, or not complete."""
        if not data.startswith(self._before):
            return None
        at = self._length_at
        between = self._between
        if between:
            date = len(self._before)
            if not data.startswith(between, date + _DATE_SIZE) or not self._dated(
                data[date : date + _DATE_SIZE]
            ):
                return None
        end = data.find(b"\r", at, at + _ROOM)
        digits = data[at:end]
        if end < 0 or not digits.isdigit() or not (length := int(digits)):
            return None
        after = self._after
        if self._date_at >= 0:
            date = end + self._date_at
            found = data[date : date + _DATE_SIZE]
            if found != self._date:
                if not self._dated(found):
                    return None
                cut = self._date_at
                after = self._after = after[:cut] + found + after[cut + _DATE_SIZE :]
                self._date = found
        if not data.startswith(after, end):
            return None
        end += len(after)
        return self._head.like(data[:end], length), end

    def _dated(self, date: bytes) -> bool:
        """Whether ``date`` is one."""
        if date != self._date:
            if _DATED.fullmatch(date) is None:
                return False
            self._date = date
        return True
