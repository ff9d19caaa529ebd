"""The model's name in relayed answers: the one that was asked for, and not a byte more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.faces.face import OpenAIFace
from llm_proxy.wire.asked_name import Retold, differs, renamed, renamed_event
from llm_proxy.wire.events import ChatResponse, Chunk
from llm_proxy.wire.sse import SSEDecoder
from providers.openai.stream import OpenAIDecoder
from tests.support.fuzz import fuzz
from tests.support.usual import recognised

#: Texts, where the model stands in them, and what they become if ``m`` was asked for.
TEXTS: list[tuple[str, tuple[str, ...], str]] = [
    ('{"model":"up"}', (), '{"model":"m"}'),
    (' {\n "id": 1,\n "model" : "up" }\n', (), ' {\n "id": 1,\n "model" : "m" }\n'),
    ('{"model":"m","x":"up"}', (), '{"model":"m","x":"up"}'),
    ('{"model":"","x":1}', (), '{"model":"","x":1}'),
    ('{"model":null}', (), '{"model":null}'),
    ('{"model":7}', (), '{"model":7}'),
    ('{"x":1.0}', (), '{"x":1.0}'),
    # Another key of that name before it, behind it, and a text that looks like it.
    ('{"tools":[{"model":"up"}],"model":"up"}', (), '{"tools":[{"model":"up"}],"model":"m"}'),
    ('{"model":"up","tools":[{"model":"up"}]}', (), '{"model":"m","tools":[{"model":"up"}]}'),
    ('{"t":"\\"model\\":\\"up\\"","model":"up"}', (), '{"t":"\\"model\\":\\"up\\"","model":"m"}'),
    ('{"x\\"model":"up","model":"up"}', (), '{"x\\"model":"up","model":"m"}'),
    ('{"t":"model","model":"up"}', (), '{"t":"model","model":"m"}'),
    ('{"model":"a\\/b:8b\\u00e9","n":1e3}', (), '{"model":"m","n":1e3}'),
    ('{"mod\\u0065l":"up","t":{"model":"up"},"n":1}', (), '{"model":"m","t":{"model":"up"},"n":1}'),
    ('{"response":{"model":"up","o":{"model":"up"}}}', ("response",), None),  # type: ignore[list-item]
    ('{"model":"up","response":{"model":"other"}}', ("response",), '{"model":"up","response":{"model":"m"}}'),
    ('{"response":[]}', ("response",), '{"response":[]}'),
    ('{"model":"up"}', ("response",), '{"model":"up"}'),
]


@pytest.mark.parametrize(("text", "path", "right"), TEXTS)
def test_only_the_name_is_changed(text: str, path: tuple[str, ...], right: str | None) -> None:
    """Whatever else looks like it; what names no model, or the right one, stays."""
    right = right or text.replace('"up"', '"m"', 1)
    got = renamed(text.encode(), json.loads(text), "m", *path)

    assert json.loads(got) == json.loads(right)
    assert "mod\\u0065l" in text or got.decode() == right


def test_many_of_them() -> None:
    """Time is bounded: after a few wrong places the answer is written anew."""
    text = json.dumps({"x": [{"model": "up"}] * 1000, "model": "up"}).encode()

    assert json.loads(renamed(text, json.loads(text), "m")) == {**json.loads(text), "model": "m"}


def test_what_cannot_be_written_stays() -> None:
    """1e999 is legal JSON, and nothing that we could write."""
    text = b'{"n":1e999,"mod\\u0065l":"up"}'

    assert renamed(text, json.loads(text), "m") == text


@pytest.mark.parametrize("asked", ["m", "team/ł:1", 'a"b\\c'])
@pytest.mark.parametrize("frame", ["event: x\ndata: %s\n\n", "data:%s\r\n\r\n", ": c\ndata: %s\nid: 7\n\n"])
def test_events(frame: str, asked: str) -> None:
    """An event keeps its frame; names need not be ASCII."""
    text = '{"type":"x","response":{"model":"up","n":1.50}}'
    (event,) = SSEDecoder().feed((frame % text).encode())
    got = renamed_event(event, json.loads(text), asked, "response")

    assert got == (frame % text.replace('"up"', json.dumps(asked))).encode()


def test_events_of_several_lines() -> None:
    """Nobody writes them; they are written anew."""
    (event,) = SSEDecoder().feed(b'event: x\ndata: {"model":\ndata: "up"}\n\n')

    assert renamed_event(event, {"model": "up"}, "m") == b'event: x\ndata: {"model":"m"}\n\n'


def _chunk(text: str, model: Any = "up", **more: Any) -> bytes:
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"model": model, "choices": [delta], **more}).encode() + b"\n\n"


def _behind(text: str) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"}}],"model":"up"}\n\n' % text.encode()


@pytest.mark.parametrize("write", [_chunk, _behind])
def test_the_usual_token_is_retold_without_being_decoded(write: Any) -> None:
    """As many bytes as were to change, in each of them."""
    decoder, face = OpenAIDecoder(), OpenAIFace(asked="m")
    assert decoder.known is None  # it is learnt once somebody has asked
    for text in ("a", "b"):
        (event,) = decoder.feed(write(text))
        assert isinstance(event, Chunk)
        assert face.event(event) == write(text).replace(b'"up"', b'"m"')
    data = write("model") if write is _behind else write("c")
    together = write("c") + write(" up") + write(":")

    assert face.retold is not None
    assert recognised(decoder, together) == 3
    assert face.retold(together, 3) == together.replace(b'"model": "up"', b'"model": "m"').replace(
        b'"model":"up"', b'"model":"m"'
    )
    assert face.retold(data, 1) == data.replace(b'"up"', b'"m"')


UNSURE = [
    # Another name; none; one more in the frame of each; escapes.
    (_chunk("x", "other"), _chunk("x")),
    (_chunk("x", None), _chunk("x")),
    (_chunk("x", meta={"model": "up"}), _chunk("x")),
    (_chunk("x"), _chunk("x", None, meta={"model": "up"})),
    (_chunk("x"), _chunk("x", "other")),
    (_chunk("x", extra="\\"), _chunk("x")),
]


@pytest.mark.parametrize(("data", "before"), UNSURE)
def test_what_is_not_sure_is_looked_at(data: bytes, before: bytes) -> None:
    """Then the event is decoded, as any that is not a usual token."""
    for asked in ("m", "xy"):  # as long as the other name, or not
        names = Retold(asked)
        names.event(json.loads(_chunk("x")[6:]), _chunk("x"))
        names.event(json.loads(before[6:]), before)

        assert names.tokens(data, 1) == b""
        assert names.tokens(_chunk("x"), 1) in (b"", _chunk("x", asked))


@pytest.mark.parametrize("raw", [b'{"model":"up","choices":[]}', None])
def test_whole_answers(raw: bytes | None) -> None:
    """Relayed or translated."""
    response = ChatResponse({"model": "up", "choices": []}, raw)

    assert json.loads(OpenAIFace(asked="m").whole(response)) == {"model": "m", "choices": []}
    assert json.loads(OpenAIFace().whole(response)) == {"model": "up", "choices": []}
    assert OpenAIFace(asked="up").whole(response) == raw or raw is None


def test_translated_events() -> None:
    """A chunk that was made of another dialect says the name too, with usage taken off or not."""
    face = OpenAIFace(asked="m")

    assert face.event(Chunk({"model": "up", "choices": [1]})) == b'data: {"model":"m","choices":[1]}\n\n'
    assert face.event(Chunk({"model": "up", "choices": [1], "usage": {"a": 1}}, b"data: ...")) == (
        b'data: {"model":"m","choices":[1]}\n\n'
    )
    assert differs({"model": "up"}, "m")
    assert face.retold is None


EVENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.text(max_size=4),
            "model": st.sampled_from(["u", "u", "u", "v", "asked", "", None, 'a"b', "ü"]),
            "delta": st.fixed_dictionaries(
                {"content": st.text(max_size=6) | st.just('"model":"u"')},
                optional={"model": st.sampled_from(["u", "v"])},
            ),
        },
    ),
    max_size=6,
)


@given(events=EVENTS, tight=st.booleans())
@fuzz
def test_an_event_is_told_as_if_it_were_the_first(events: list[dict[str, Any]], tight: bool) -> None:
    """What was learned from earlier ones changes nothing but the time that it takes."""
    retold = Retold("asked")
    for event in events:
        text = json.dumps(event, separators=(",", ":") if tight else None)
        raw = b"data: " + text.encode() + b"\n\n"
        made = retold.event(event, raw)

        wanted = {**event, "model": "asked"} if event.get("model") else event
        assert json.loads(made.removeprefix(b"data: ")) == wanted
        assert made == Retold("asked").event(event, raw)
