"""W3C Trace Context: which trace a request belongs to, and how that is said to the next server.

Source: www.w3.org/TR/trace-context. Laws: pure; what is not valid is as if it were not there, and with ``traceparent`` its
``tracestate`` goes. A later version is read as far as this one goes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e\t]{1,4096}")


class TraceContext(NamedTuple):
    """``trace`` and ``parent`` in hexadecimal digits, ``state`` as it came."""

    trace: str
    parent: str
    sampled: bool
    state: str = ""


def read_context(parent: str, state: str | None) -> TraceContext | None:
    """What the two fields say; None if that is nothing valid."""
    found = _PARENT.fullmatch(parent) if len(parent) < 1000 else None
    if found is None or (parent.startswith("00") and found[4]):
        return None
    kept = state if state is not None and _STATE.fullmatch(state) else ""
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1), kept)


def fields(context: TraceContext, request_id: str) -> bytes:
    """The lines for a request's head that say the same, and the request's id. ``request_id`` is ASCII without line ends."""
    trace, parent, sampled, state = context
    found = new_fields(trace, parent, sampled, request_id)
    return found + f"tracestate: {state}\r\n".encode("ascii") if state else found


def new_fields(trace: str, parent: str, sampled: bool, request_id: str) -> bytes:
    """The same for a trace that begins here."""
    flags = "01" if sampled else "00"
    return f"traceparent: 00-{trace}-{parent}-{flags}\r\nX-Request-Id: {request_id}\r\n".encode("ascii")
