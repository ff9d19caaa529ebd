"""Every reader of bytes works in proportion to them, however they are cut and whatever stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from handlers.passthrough import check_headers, check_target, forwarded
from llm_proxy.clients.chunked_body import ChunkedBody
from llm_proxy.clients.request_reader import RequestReader
from llm_proxy.errors import GatewayError
from llm_proxy.faces.call_ids import CallIds
from llm_proxy.faces.media.body import read_body
from llm_proxy.wire.large_json import loads
from llm_proxy.wire.sse import EventTooLarge, LineDecoder, SSEDecoder
from llm_proxy.wire.strict_json import JsonProblem, parse_object
from tests.support.growth import ALLOWED, growth

pytestmark = pytest.mark.one_python(
    "whether the cost grows with the square is the code's, and not the Python's"
)

SIZE = 4000

#: Texts of JSON, sound and not.
JSON: Mapping[str, Callable[[int], str]] = {
    "numbers": lambda n: '{"a":[' + "0," * n + "0]}",
    "objects": lambda n: '{"a":[' + "{}," * n + "{}]}",
    "names": lambda n: "{" + ",".join(f'"k{i}":0' for i in range(n)) + "}",
    "duplicate names": lambda n: "{" + ",".join(['"k":0'] * n) + "}",
    "one duplicate at the end": lambda n: "{" + ",".join(f'"k{i}":0' for i in range(n)) + ',"k0":0}',
    "overflows": lambda n: '{"a":[' + "1e999," * n + "0]}",
    "NaN": lambda n: '{"a":[' + "NaN," * n + "0]}",
    "depth": lambda n: '{"a":' + "[" * n + "]" * n + "}",
    "open brackets": lambda n: "[" * n,
    "nests in a row": lambda n: '{"a":[' + ",".join(["[" * 100 + "]" * 100] * (n // 100)) + "]}",
    "escapes": lambda n: '{"a":"' + "\\u00e9" * n + '"}',
    "pairs": lambda n: '{"a":"' + "\\ud83d\\ude00" * n + '"}',
    "half pairs": lambda n: '{"a":["' + '\\ud83d","' * n + '"]}',
    "lines": lambda n: "{" + "\n" * n + '"a":[' + "0,\n" * n + "NaN]}",
    "backslashes": lambda n: '{"a":"' + "\\\\" * n + '"}',
    "an open string": lambda n: '{"a":"' + "x" * n,
    "digits": lambda n: '{"a":' + "1" * n + "}",
    "blanks": lambda n: " " * n,
}


@pytest.mark.parametrize("kind", JSON)
def test_bytes_are_read_in_proportion(kind: str) -> None:
    """The strict door, also where it has to say what is wrong."""

    def read(data: bytes) -> object:
        try:
            return parse_object(data)
        except JsonProblem as problem:
            return problem

    assert growth(lambda n: JSON[kind](n).encode(), read, SIZE) <= ALLOWED


@pytest.mark.parametrize("kind", ["numbers", "objects", "names", "depth", "escapes", "blanks"])
def test_large_answers_are_read_in_proportion(kind: str) -> None:
    """In slices, from a megabyte on."""

    def read(data: bytes) -> object:
        try:
            return loads(data)
        except ValueError as error:
            return error

    assert growth(lambda n: b" " * (1 << 20) + JSON[kind](n).encode(), read, SIZE) <= ALLOWED


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


#: Streams of events, in pieces.
EVENTS: Mapping[str, Callable[[int], Iterable[bytes]]] = {
    "tiny events": lambda n: [b"data:\n\n" * n],
    "tiny events, each by itself": lambda n: [b"data: x\n\n"] * n,
    "byte by byte": lambda n: _pieces(b"data: x\n\n" * (n // 9), 1),
    "blank lines": lambda n: _pieces(b"\n" * n, 100),
    "comments": lambda n: [b":\n\n"] * n,
    "an event of many lines": lambda n: [b"data: xxxxxxxxxx\n"] * n,
    "an event of many lines that end in CR": lambda n: [b"data: xxxxxxxxxx\r\n"] * n,
    "an event of one long line": lambda n: [b"data: ", *[b"x" * 10] * n],
    "carriage returns": lambda n: _pieces(b"data: x\r\r" * (n // 9), 7),
}


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("decoder", [SSEDecoder, LineDecoder])
def test_events_are_read_in_proportion(decoder: type[SSEDecoder] | type[LineDecoder], kind: str) -> None:
    """However an upstream cuts them."""

    def read(pieces: Iterable[bytes]) -> None:
        made = decoder(1 << 24)
        try:
            for piece in pieces:
                made.feed(piece)
            made.close()
        except EventTooLarge:
            pass

    assert growth(EVENTS[kind], read, SIZE) <= ALLOWED


def _chunked(n: int) -> bytes:
    return b"1\r\nx\r\n" * n


@pytest.mark.parametrize("size", [1 << 18, 3])
def test_chunks_are_read_in_proportion(size: int) -> None:
    """Of one byte each, at once and in small pieces."""

    def read(pieces: list[bytes]) -> None:
        body = ChunkedBody()
        for piece in pieces:
            body.feed(piece)

    assert growth(lambda n: _pieces(_chunked(n), size), read, SIZE) <= ALLOWED


def test_a_head_is_read_in_proportion() -> None:
    """Also in small pieces."""

    def read(pieces: list[bytes]) -> None:
        reader = RequestReader()
        for piece in pieces:
            reader.feed(piece)

    def make(n: int) -> list[bytes]:
        return _pieces(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * n + b"\r\n\r\n", 16)

    assert growth(make, read, 12_000) <= ALLOWED


def test_a_form_is_read_in_proportion() -> None:
    """Its parts are bounded in number, its bytes are not looked at."""

    def make(n: int) -> bytes:
        return (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"\r\n--" * n + b"\r\n--b--\r\n"
        )

    def read(data: bytes) -> object:
        try:
            return read_body(data, "multipart/form-data; boundary=b").model
        except GatewayError as error:
            return error

    assert growth(make, read, SIZE * 10) <= ALLOWED


TARGETS: Mapping[str, Callable[[int], str]] = {
    "letters": lambda n: "/" + "a" * n,
    "segments": lambda n: "/a" * n,
    "dots": lambda n: "/" + "..." * n,
    "percents": lambda n: "/" + "%25" * n,
    "a query": lambda n: "/?" + "a=b&" * n,
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_path_is_checked_in_proportion(kind: str) -> None:
    """Of passthrough, up to what is too long."""

    def check(target: str) -> object:
        try:
            check_target(target, "path")
        except GatewayError as error:
            return error
        return None

    assert growth(TARGETS[kind], check, 1000) <= ALLOWED


def test_headers_are_checked_in_proportion() -> None:
    """The same; a list of connection options is no square of the headers."""

    def check(pairs: list[tuple[str, str]]) -> object:
        try:
            check_headers(pairs)
        except GatewayError as error:
            return error
        return forwarded(pairs)

    def make(n: int) -> list[tuple[str, str]]:
        return [("connection", ",".join(f"k{i}" for i in range(n))), *((f"k{i}", "v") for i in range(n))]

    assert growth(make, check, 50) <= ALLOWED
    assert growth(make, forwarded, SIZE) <= ALLOWED


def test_ids_are_told_apart_in_proportion() -> None:
    """Ids of one beginning, each twice."""

    def make(n: int) -> list[str]:
        return [f"{'x' * 54}{i // 2:010}" for i in range(n)]

    def name(ids: list[str]) -> list[str]:
        known = CallIds()
        found = [known.asked(one) for one in ids]
        assert len(set(found)) == len(found)
        return found

    assert growth(make, name, SIZE) <= ALLOWED
