"""U11 to U18, U32: answers that stop in the wrong way. What came is delivered, the end is never pretended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_proxy.relay import reading
from tests.faults.kit import FORMS, PIECES, QUICK, suffer
from tests.support.peer import Script
from tests.support.scripts import (
    End,
    Piece,
    Raw,
    half_chunk,
    head,
    raw,
    sse,
    stream,
)

in_each_form = pytest.mark.parametrize("form", FORMS)
JSON_HEAD = head(200, {"Content-Type": "application/json", "Content-Length": "1000"})


def midway(form: str, *more: Piece, end: End) -> Script:
    """An answer that comes in part (of a stream: the word "one"), then ``more``, then ``end``."""
    if form == "whole":
        return raw(
            JSON_HEAD + b'{"id": "c-1", "object": ', *[m.data for m in more if isinstance(m, Raw)], end=end
        )
    return stream(*PIECES[:2], *more, end=end)


async def assert_cut(folder: Path, script: Script, form: str, code: str, **limits: Any) -> Any:
    """The one rule for all of them: a refusal while that is still possible, afterwards an event or only a cut."""
    met = await suffer(folder, script, form, {"timeouts": limits} if limits else None)
    if form == "whole":
        met.refused(504 if code.startswith("timeout") else 502, code)
    else:
        met.broken_off(code)
    assert met.line["ended_by"] == "upstream"
    assert met.line["upstream_bytes"] > 0
    if form == "passthrough":
        assert met.answer.body.startswith(b"".join(PIECES[:2])), "bytes before the fault are lost"
    return met


@in_each_form
async def test_u11_silence(form: str, tmp_path: Path) -> None:
    """After the idle limit; the limit is named."""
    met = await assert_cut(tmp_path, midway(form, end="silence"), form, "timeout_idle", idle=0.3)

    assert met.says("phase", "kind") == ("body", "timeout")


async def test_u11_keep_alives_do_not_count(tmp_path: Path) -> None:
    """Comments go out until then, and do not move the limit."""
    script = midway("stream", end="silence")
    quick: dict[str, Any] = {"keepalive_after": 0.05, "keepalive_interval": 0.05}
    met = await suffer(tmp_path, script, "stream", QUICK, **quick)

    met.broken_off("timeout_idle")
    assert met.answer.body.count(b": keep-alive\n\n") >= 2


@pytest.mark.parametrize("form", ["stream", "passthrough"])
async def test_u12_total(form: str, tmp_path: Path) -> None:
    """A lively stream that never ends meets the total limit."""
    lively = [part for _ in range(400) for part in (b": still here\n\n", PIECES[0], 0.02)]
    await assert_cut(tmp_path, midway(form, *lively, end="silence"), form, "timeout_total", total=0.3)


SLOW = [part for _ in range(12) for part in (b": still here\n\n", 0.05)]


@pytest.mark.parametrize("form", FORMS)
async def test_u12_what_progresses_has_no_total(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has set one: a stream, what is relayed as it comes, and a whole answer that its upstream streams all the same
    take longer than a whole answer may."""
    monkeypatch.setattr(reading, "WHOLE", 0.2)
    script = stream(*PIECES[:2], *SLOW, *PIECES[2:])
    met = await suffer(tmp_path, script, form, {"timeouts": {"first_byte": 0.2, "idle": 5}})

    assert (met.answer.status, met.answer.complete) == (200, True)
    assert met.line["total_ms"] > 500


async def test_u12_what_does_not_tell_whether_it_progresses_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is collected, and drips."""
    monkeypatch.setattr(reading, "WHOLE", 0.2)
    drips = [part for _ in range(400) for part in (b" ", 0.02)]
    script = raw(JSON_HEAD, *drips, end="silence")
    met = await suffer(tmp_path, script, "whole", {"timeouts": {"first_byte": 0.2, "idle": 5}})

    met.refused(504, "timeout_total")


async def test_u12_the_environment_bounds_everything_that_it_is_set_for(tmp_path: Path) -> None:
    """Streams included."""
    lively = [part for _ in range(400) for part in (b": still here\n\n", PIECES[0], 0.02)]
    met = await suffer(tmp_path, midway("stream", *lively, end="silence"), "stream", timeout=0.3)

    met.broken_off("timeout_total")


@in_each_form
async def test_u14_reset(form: str, tmp_path: Path) -> None:
    """RST in mid-answer: everything received is delivered, nothing hangs until a limit."""
    met = await assert_cut(tmp_path, midway(form, end="reset"), form, "upstream_error")

    assert met.says("phase", "kind") == ("body", "reset")


@in_each_form
async def test_u15_truncated(form: str, tmp_path: Path) -> None:
    """FIN without a last chunk, or before the announced length."""
    met = await assert_cut(tmp_path, midway(form, end="cut"), form, "upstream_error")

    assert met.says("phase", "kind") == ("body", "truncated")


@pytest.mark.parametrize("form", ["stream", "passthrough"])
async def test_u15_truncated_in_a_chunk(form: str, tmp_path: Path) -> None:
    """Half an event is never given out as one."""
    await assert_cut(tmp_path, midway(form, half_chunk(PIECES[2]), end="cut"), form, "upstream_error")


@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize("end", ["clean", "close"])
async def test_u16_looks_finished(form: str, end: End, tmp_path: Path) -> None:
    """A stream that ends cleanly for HTTP but without its terminator is broken, also when it is collected."""
    met = await assert_cut(tmp_path, stream(*PIECES[:2], end=end), form, "upstream_error")

    assert met.says("phase", "kind") == ("body", "no_terminator")
    assert "[DONE]" not in met.answer.body.decode(), "clients look for it anywhere in a line"


@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize("end", ["clean", "close"])
async def test_u16_is_finished(form: str, end: End, tmp_path: Path) -> None:
    """A reason for the end of its choice, and chunks or a length that end as they should: complete without a terminator, and the
    client gets one."""
    met = await suffer(tmp_path, stream(*PIECES[:-1], end=end), form)

    assert (met.answer.status, met.answer.complete) == (200, True)
    if form == "stream":
        assert met.answer.events()[-1] == "[DONE]"
        assert met.answer.text() == "one two"
    else:
        assert met.answer.json()["choices"][0]["message"]["content"] == "one two"


@pytest.mark.parametrize("form", ["stream", "whole"])
async def test_u16_the_connections_end_proves_nothing(form: str, tmp_path: Path) -> None:
    """Without a framing of its own a body may have lost its end: there a terminator is wanted."""
    met = await suffer(tmp_path, stream(*PIECES[:-1], chunked=False), form)

    if form == "whole":
        met.refused(502, "upstream_error")
    else:
        met.broken_off("upstream_error", "one two")
    assert met.says("phase", "kind") == ("body", "no_terminator")


BAD_CHUNKS = {
    "no number": b"zz\r\nx\r\n",
    "over 64 bits": b"fffffffffffffffff\r\nx\r\n",
    "negative": b"-1\r\nx",
}


@pytest.mark.parametrize("form", ["stream", "passthrough"])
@pytest.mark.parametrize("name", BAD_CHUNKS)
async def test_u18_bad_chunks(form: str, name: str, tmp_path: Path) -> None:
    """Framing that makes no sense ends the answer; what came before is good."""
    script = midway(form, Raw(BAD_CHUNKS[name]), end="silence")
    met = await assert_cut(tmp_path, script, form, "upstream_error")

    assert met.says("phase", "kind") == ("body", "framing")


async def test_u32_a_rate_limit_in_mid_stream(tmp_path: Path) -> None:
    """An error event keeps its code; nothing is tried again after the first byte."""
    limit = sse({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, done=False)
    met = await suffer(tmp_path, stream(*PIECES[:2], *limit, PIECES[-1]), "stream")

    met.broken_off("rate_limit")
    assert met.says("phase", "kind") == ("body", "429")
