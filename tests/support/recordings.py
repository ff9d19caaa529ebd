"""Upstream bytes from ``tests/data`` (its README says where they are from), and every way to cut them into pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.thorough import PLACES

DATA = Path(__file__).resolve().parent.parent / "data"
SEPARATORS = {".sse": b"\n\n", ".ndjson": b"\n"}


class Recording(NamedTuple):
    """A file's name without its suffix, and its bytes."""

    name: str
    data: bytes

    @property
    def cut(self) -> bool:
        """Whether this stream stops without its terminator."""
        return self.name.endswith("-cut")

    @property
    def failing(self) -> bool:
        """Whether this stream reports an error after it began."""
        return self.name.endswith("-error")


class ErrorRecording(NamedTuple):
    """The body of an error and its status."""

    name: str
    status: int
    data: bytes


def recordings(api_type: str) -> list[Recording]:
    """Every stream of an api_type: body bytes without HTTP framing."""
    return [Recording(path.stem, path.read_bytes()) for path in _files(api_type) if path.suffix in SEPARATORS]


def bodies(api_type: str) -> list[Recording]:
    """Every answer of an api_type that was not streamed."""
    return [Recording(path.stem, path.read_bytes()) for path in _files(api_type) if path.suffix == ".json"]


def errors(api_type: str) -> list[ErrorRecording]:
    """Every error of an api_type, with its status."""
    paths = _files(f"{api_type}/errors")
    return [ErrorRecording(path.stem, int(path.stem.partition("-")[0]), path.read_bytes()) for path in paths]


def wire(api_type: str) -> list[Recording]:
    """Every whole response of an api_type, headers and chunks included."""
    return [Recording(path.stem, path.read_bytes()) for path in _files(api_type) if path.suffix == ".http"]


def recording(path: str) -> bytes:
    """One file by its path below ``tests/data``."""
    return (DATA / path).read_bytes()


def events(data: bytes) -> list[bytes]:
    """A stream cut after each event (SSE) or line (NDJSON); joined again they are ``data``."""
    separator = b"\n\n" if data.startswith((b"data:", b"event:", b":")) else b"\n"
    *whole, rest = data.split(separator)
    return [part + separator for part in whole] + ([rest] if rest else [])


def bytewise(data: bytes) -> list[bytes]:
    """Every byte a piece of its own."""
    return [data[at : at + 1] for at in range(len(data))]


def in_two(data: bytes) -> Iterator[list[bytes]]:
    """Cut once, at every place in turn; of a long one around its line ends, and at places that lie evenly between them."""
    for at in _places(data):
        yield [data[:at], data[at:]]


def _places(data: bytes) -> Sequence[int]:
    if len(data) <= PLACES:
        return range(1, len(data))
    ends = [found.start() for found in re.finditer(rb"[\r\n]+", data)]
    near = {at + by for at in ends[:: -(-8 * len(ends) // PLACES)] for by in (-1, 0, 1, 2)}
    step = -(-2 * len(data) // PLACES) | 1  # odd, so that it goes through a repeated pattern
    return sorted(at for at in {*near, *range(1, len(data), step)} if 0 < at < len(data))


def feeds(data: bytes) -> list[tuple[str, list[bytes]]]:
    """The usual ways in which the same bytes arrive: at once, by event, byte by byte, in sevens."""
    sevens = [data[at : at + 7] for at in range(0, len(data), 7)]
    return [("whole", [data]), ("events", events(data)), ("bytes", bytewise(data)), ("sevens", sevens)]


def truncated(data: bytes) -> Iterator[bytes]:
    """The beginnings of a stream that end at an event boundary; the empty one first, never the whole."""
    parts = events(data)
    for count in range(len(parts)):
        yield b"".join(parts[:count])


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (DATA / folder).iterdir() if path.is_file())
