"""What fuzzing begins with: recorded traffic, what the dialects' clients send, and what was found before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.targets import TARGETS
from tests.matrix.all_faces import FACES
from tests.support import recordings

FOUND = Path(__file__).resolve().parent.parent / "data" / "fuzz"
#: Bytes of one seed: longer ones only make each try slower.
_MOST = 4000

_HEADS = (
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nX: y \r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\nGET",
    b"POST / HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}",
)
_FORM = (
    b'--X\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
    b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--X--\r\n'
)
_TEXTS = (
    b"/v1/models?x=%41",
    b"example.com,.a.b:80,10.0.0.0/8,[::1]:443,*",
    b"http://u:p@h:80/x",
    b"A: b\nC: d",
)


def seeds(name: str) -> Iterator[bytes]:
    """For the target ``name``; the first byte says how the others are cut."""
    yield b""
    for data in _plain(name):
        yield b"\x07" + data[:_MOST]
        yield data[:_MOST]
    yield from found(name)


def found(name: str) -> list[bytes]:
    """What was a fault of that target once."""
    return [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]


def _plain(name: str) -> Iterator[bytes]:
    kind, _, rest = name.partition("-")
    if kind == "answer":
        for api_type in (rest, "openai"):
            if (recordings.DATA / api_type).is_dir():
                yield from (each.data for each in recordings.recordings(api_type))
                yield from (each.data for each in recordings.bodies(api_type))
    elif kind == "ask":
        for face in FACES.values():
            if face.name.startswith(rest) or rest in ("completions", "responses"):
                for ask in face.asks.values():
                    yield json.dumps({"model": "m", **ask}).encode()
        yield b'{"model":"m","prompt":"x","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]}'
    elif kind in ("request", "chunked", "response"):
        yield from _HEADS
        yield from (head.partition(b"\r\n\r\n")[2] for head in _HEADS)
        yield from (each.data for each in recordings.wire("openai"))
    elif kind == "events":
        yield from (each.data for each in recordings.recordings("openai"))
        yield from (each.data for each in recordings.recordings("ollama"))
    else:
        yield from (
            _FORM,
            *_TEXTS,
            b'{"model": "m", "a": [1, -2.5e3, "\\u00e9", null, true]}',
            b"\x1f\x8b\x08\x00",
            b'{"a": "' + b"\\ud83d\\ude00\\n" * 20 + b'",\n "b": ["' + "zażółć".encode() * 12 + b'", 1]}',
        )


def all_seeds() -> dict[str, list[bytes]]:
    """Of every target."""
    return {name: list(seeds(name)) for name in TARGETS}
