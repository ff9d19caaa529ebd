"""What is wrong, in words, for the top of the console's first page. Pure.

Law: a sentence is a list of texts and of links ``{"text", "href"}`` into the page; nothing in it is markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from llm_proxy.console.history import STEP, Piece
from llm_proxy.wire.calls import Deployment

Words = list[str | dict[str, str]]
#: Upstreams that are told one by one.
_MOST = 20
#: Seconds of the past that count, and from how many errors, and which share of the requests, on it is worth a word.
SPAN = 60
_ERRORS, _SHARE = 3, 0.05


@dataclass(frozen=True, slots=True)
class Wrong:
    """``kind``: ``bad``, what stops requests; ``warn``: what somebody should look at."""

    kind: Literal["bad", "warn"]
    words: Words


def link(text: str, href: str) -> dict[str, str]:
    """Within the page."""
    return {"text": text, "href": href}


def of_state(state: str, on_last_good: bool, lost: int) -> Iterable[Wrong]:
    """Of the files, and of the usage database, in which ``lost`` rows are missing."""
    if state == "rejected":
        yield Wrong("bad", ["The last edit was rejected. ", link("What is wrong with it", "#/configuration")])
    if on_last_good:
        yield Wrong("warn", ["The files could not be read at the start: the last good copy serves."])
    if lost:
        yield Wrong(
            "warn", [f"{lost} row{'s' * (lost != 1)} of usage could not be written. Is the disk full?"]
        )


def of_upstreams(rows: Iterable[tuple[Deployment, Mapping[str, Any]]], wall: float) -> list[Wrong]:
    """Of those that stand badly, with their standings; ``wall``: now, in Unix seconds."""
    found: list[Wrong] = []
    for row, standing in rows:
        if len(found) == _MOST:
            break
        words: Words = [
            link(row.name, f"#/models?search={quote(row.name, safe='')}"),
            f" at {row.provider} is {standing['state']}",
        ]
        if standing["reason"]:
            words.append(f": {standing['reason']}")
        if (until := standing["until"]) is not None and until > wall:
            words.append(f"; it ends in {_time(until - wall)}")
        found.append(Wrong("bad" if standing["state"] == "ejected" else "warn", words))
    return found


def of_requests(pieces: Iterable[Piece]) -> Iterable[Wrong]:
    """Of the last ``SPAN``."""
    several = list(pieces)
    errors = sum(piece["errors"] for piece in several)
    requests = sum(piece["requests"] for piece in several)
    if errors >= _ERRORS and errors > _SHARE * requests:
        share = f"{errors / requests * 100:.0f} % of the requests of the last minute failed. "
        yield Wrong("warn", [share, link("Which", "#/requests?status=error")])


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * SPAN else f"{seconds / SPAN:.0f} min"


assert SPAN % STEP == 0
