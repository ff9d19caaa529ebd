"""Streams of the two native dialects, however their bytes arrive and wherever they stop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.wire.events import Chunk, Done, Failed
from providers.anthropic.provider import AnthropicProvider
from providers.base import BaseProvider, StreamDecoder
from providers.gemini.provider import GeminiProvider
from tests.support import recordings as rec
from tests.support.fuzz import fuzz
from tests.support.native_kit import ask, comparable, decoded, done, pieces, seen, spoilt
from tests.support.recordings import Recording

PROVIDERS: dict[str, BaseProvider] = {"anthropic": AnthropicProvider(), "gemini": GeminiProvider()}
STREAMS = [(api_type, found) for api_type in PROVIDERS for found in rec.recordings(api_type)]


def over(chosen: list[tuple[str, Recording]]) -> pytest.MarkDecorator:
    ids = [f"{api_type}-{found.name}" for api_type, found in chosen]
    return pytest.mark.parametrize(("api_type", "found"), chosen, ids=ids)


streams = over(STREAMS)


def decoder(api_type: str) -> StreamDecoder:
    return PROVIDERS[api_type].stream_decoder(ask(stream=True))


def until_complete(data: bytes) -> Iterator[bytes]:
    """The beginnings of a stream, at event boundaries, that lack what declares it complete."""
    for count, part in enumerate(parts := pieces(data)):
        yield b"".join(parts[:count])
        if re.search(rb"finishReason|blockReason", part):
            return


@streams
def test_a_stream_ends_once_and_as_its_name_says(api_type: str, found: Recording) -> None:
    """A complete stream ends with Done after a finish reason, one that failed with Failed and without any."""
    result = seen(decoded(decoder(api_type), [found.data]))

    assert isinstance(result.end, Failed if found.failing else Done)
    assert set(result.finish) == (set() if found.failing else set(result.messages))
    assert result.messages[0]["role"] == "assistant"


@streams
def test_bytes_may_arrive_in_any_pieces(api_type: str, found: Recording) -> None:
    """Whole, by event, byte by byte and in sevens: the same events."""
    expected = comparable(decoded(decoder(api_type), [found.data]))

    for _, parts in [*rec.feeds(found.data), ("pieces", pieces(found.data))]:
        assert expected == comparable(decoded(decoder(api_type), parts))


@streams
def test_bytes_may_be_split_anywhere(api_type: str, found: Recording) -> None:
    """Cut in two at every place, also inside a character or a line end: the same events."""
    expected = comparable(decoded(decoder(api_type), [found.data]))

    for parts in rec.in_two(found.data):
        assert expected == comparable(decoded(decoder(api_type), parts))


@streams
def test_a_stream_that_stops_early_is_never_complete(api_type: str, found: Recording) -> None:
    """Without what declares the answer complete a clean end is a failure, and no finish reason is invented."""
    for shorter in until_complete(found.data) if api_type == "gemini" else rec.truncated(found.data):
        events = decoded(decoder(api_type), [shorter])

        assert not done(events)
        assert isinstance(events[-1], Failed)
        assert events[-1].error.status == 502
        assert events[-1].error.kind == "no_terminator"
        assert not seen(events).finish


@over([(api_type, found) for api_type, found in STREAMS if not found.failing])
def test_half_an_event_counts_for_nothing(api_type: str, found: Recording) -> None:
    """Stopped at any byte of its last event, a stream is not complete."""
    before = b"".join(pieces(found.data)[:-1])

    for at in range(len(before), len(found.data) - 2):
        assert not done(decoded(decoder(api_type), [found.data[:at]]))


@streams
def test_nothing_follows_the_end(api_type: str, found: Recording) -> None:
    """After the end neither more bytes nor a second close give anything."""
    reader = decoder(api_type)
    assert decoded(reader, [found.data])

    assert list(reader.feed(found.data)) == []
    assert list(reader.close()) == []


@over(
    [(api_type, found) for api_type, found in STREAMS if found.name != "bare-error"]
)  # its JSON has lines of its own
def test_other_line_ends_and_a_byte_order_mark(api_type: str, found: Recording) -> None:
    """LF, CR LF and CR mean the same, and so does a stream that begins with a byte order mark."""
    plain = found.data.replace(b"\r\n", b"\n")
    expected = comparable(decoded(decoder(api_type), [plain]))

    for data in (plain.replace(b"\n", b"\r\n"), plain.replace(b"\n", b"\r"), b"\xef\xbb\xbf" + plain):
        assert expected == comparable(decoded(decoder(api_type), [data]))


@streams
def test_the_wrong_type_anywhere_is_a_failure_and_not_an_exception(api_type: str, found: Recording) -> None:
    """Each value of each event replaced by one of another type: at worst the stream fails, all chunks stay sound."""
    parts = pieces(found.data)
    for number, part in enumerate(parts):
        head, data = part.rsplit(b"data: ", 1) if b"data: " in part else (part, b"0")
        for value in spoilt(json.loads(data)):
            event = head + b"data: " + json.dumps(value).encode() + b"\r\n\r\n"
            events = decoded(decoder(api_type), [*parts[:number], event, *parts[number + 1 :]])

            assert isinstance(events[-1], Done | Failed)
            assert all(isinstance(other, Chunk) for other in events[:-1])
            for other in events[:-1]:
                json.dumps(other.data, allow_nan=False)  # type: ignore[union-attr]


@pytest.mark.parametrize("api_type", PROVIDERS)
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"data: {\n\n", "event"),
        (b"data: [1]\n\n", "event"),
        (b"data: \xff\xfe\n\n", "event"),
        (b'data: {"x": NaN}\n\n', "event"),
        (b'data: {"x": 1e999}\n\n', "event"),
        (b'data: {"x": "\\ud800"}\n\n', "event"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "event"),
        (b"data: " + b"9" * 5_000 + b"\n\n", "event"),
        (b"data: " + b"x" * (1 << 20) + b"y", "event_too_large"),
        (b"", "no_terminator"),
        (b"<html>login</html>", "no_terminator"),
        (b": comment\n\n", "no_terminator"),
    ],
    ids=[
        "cut",
        "list",
        "not-utf-8",
        "nan",
        "overflow",
        "surrogate",
        "deep",
        "digits",
        "large",
        "empty",
        "page",
        "comment",
    ],
)
def test_unsound_events_fail_the_stream(api_type: str, data: bytes, kind: str) -> None:
    """What is no sound event of the dialect ends the stream as a fault of the upstream."""
    (event,) = decoded(decoder(api_type), [data])

    assert isinstance(event, Failed)
    assert (event.error.status, event.error.code) == (502, "upstream_error")
    assert (event.error.phase, event.error.kind) == ("body", kind)


@pytest.mark.parametrize("api_type", PROVIDERS)
def test_what_came_before_a_fault_is_given_out_and_the_fault_is_numbered(api_type: str) -> None:
    """Events before a broken one are intact; the failure says which one it was."""
    parts = pieces(rec.recording(f"{api_type}/text-stream.sse"))
    broken = [*parts[:2], b"data: {broken\n\n", *parts[2:]]

    events = decoded(decoder(api_type), [b"".join(broken)])

    before = comparable(decoded(decoder(api_type), parts[:2]))[:-1]
    assert comparable(events[:-1]) == before
    assert isinstance(events[-1], Failed)
    assert "event 3 " in events[-1].error.message


@fuzz
@given(api_type=st.sampled_from(sorted(PROVIDERS)), data=st.data())
def test_no_bytes_whatever_raise(api_type: str, data: st.DataObject) -> None:
    """A recording with bytes replaced, removed or put in is decoded, or it fails; nothing is raised."""
    found = data.draw(st.sampled_from(rec.recordings(api_type))).data
    at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(found))] * 2)))
    end = min(end, at + 20)
    mutated = found[:at] + data.draw(st.binary(max_size=20)) + found[end:]

    events = decoded(decoder(api_type), [mutated])

    assert isinstance(events[-1], Done | Failed)
