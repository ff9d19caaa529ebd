"""How a request that has ended is shown: what came of it in a word, and where its time went. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal

from llm_proxy.console.finished import Request

_WELL = re.compile("ok|2..")

Mark = Literal["good", "bad", "muted"]


def outcome(request: Request) -> tuple[str, Mark]:
    """``502 upstream_error``, ``200, cut``, ``left``: its client has gone; and whether that is good."""
    status, code = request["status"] or 0, request["code"]
    if status == 499:
        return "left", "muted"
    if status >= 400:
        return f"{status} {code}" if code else str(status), "bad"
    return (f"{status}, cut", "bad") if code else (str(status), "good")


def shown(request: Request) -> Request:
    """A row of the list: without ``headers``, with ``outcome`` and its ``mark``."""
    row = {name: value for name, value in request.items() if name != "headers"}
    row["outcome"], row["mark"] = outcome(request)
    return row


def bars(request: Request) -> list[dict[str, Any]]:
    """In the order in which things happened: ``title``, ``kind`` (wait, use, fail or good), ``from`` and ``to`` in ms from its beginning,
    ``ms``: what is to be told."""
    whole, first = request["total_ms"] or 0.0, request["first_byte_ms"]
    at = queued = request["queued_ms"] or 0.0
    found = [_bar("waited", "wait", 0, queued)] if queued else []
    for one in request["tries"] or ():
        name, took = one["provider"], one["ms"]
        if _WELL.fullmatch(one["outcome"]):
            found.append(_bar(name, "use", at, at + took))
        else:
            found.append(_bar(f"{name}: {one['outcome']}", "fail", at, at + took))
            at += took
    if first is not None:
        found.append(_bar("first token", "use", min(at, first), first) | {"ms": first})
        found.append(_bar("stream" if request["stream"] else "answer", "good", first, whole))
    return [*found, _bar("whole", "wait", 0, whole)]


def _bar(title: str, kind: str, start: float, end: float) -> dict[str, Any]:
    end = max(start, end)
    return {"title": title, "kind": kind, "from": start, "to": end, "ms": round(end - start, 3)}
