"""S10: whatever gets into a log stays one line of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llm_proxy.telemetry import log_lines
from tests.handlers.kit import WHOLE, gateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json

HOSTILE = {
    "new line": 'm\n2026-01-01 ERROR {"level": "ERROR"}',
    "carriage return": "m\r\nX: y",
    "escape": "m\x1b[2J\x1b[31m",
    "line separator": "m\u2028\u2029\u0085x",
    "quotes": 'm"}, {"a": "',
    "bidi": "m\u202e\u2066x",
    "long": "m" * 1_000_000,
}


@contextmanager
def records() -> Iterator[list[logging.LogRecord]]:
    """Everything that is logged meanwhile."""
    found: list[logging.LogRecord] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Collect()
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("name", HOSTILE)
async def test_s10_log_injection(name: str, tmp_path: Path) -> None:
    """In model, path, query, headers and an upstream's words: one bounded, printable line for each record, and in JSON
    format one valid object."""
    text = HOSTILE[name]
    said = {"error": {"message": text, "type": text, "code": text}}
    short = "".join(f"%{byte:02x}" for byte in text[:200].encode())
    async with Peer(answer_json(said, 400)) as peer, gateway(tmp_path, peer.url) as proxy:
        with records() as found:
            await proxy.request("POST", "/chat", {**WHOLE, "model": text})
            await proxy.request("POST", "/chat", {**WHOLE, "user": text})
            await proxy.request(
                "GET", f"/{short}?q={short}", headers={"User-Agent": '"}', "X-Request-Id": '"}'}
            )
            await proxy.request("POST", "/passthrough", {"model": text, "path": f"/{short}"})
            await wait_until(lambda: sum(r.name == "llm_proxy.access" for r in found) == 4)

    for kind in ("json", "text"):
        shape = log_lines.formatter(kind)
        for record in found:
            line = shape.format(record)
            assert line.isprintable(), f"{kind}: {line!r}"
            assert len(line) < 10 * log_lines.MAX_FIELD
            if kind == "json":
                assert line.isascii()
                assert json.loads(line)["message"]


def test_s10_numbers_that_are_none(tmp_path: Path) -> None:
    """NaN and infinity, which JSON has not, are not in a line either."""
    record = logging.makeLogRecord({"msg": "request", "own_ms": float("nan"), "total_ms": float("inf")})
    line = json.loads(
        log_lines.formatter("json").format(record), parse_constant=lambda name: pytest.fail(name)
    )

    assert (line["own_ms"], line["total_ms"]) == (None, None)
