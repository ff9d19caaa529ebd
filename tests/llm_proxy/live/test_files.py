"""Reading a file that somebody else may be writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_proxy.live import files
from llm_proxy.live.files import half_written, read_regular, reason


def test_it_is_read(tmp_path: Path) -> None:
    """The bytes as they are, up to the limit."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)

    assert read_regular(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="file is larger than 99 bytes"):
        read_regular(path, 99)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file(tmp_path: Path, make: object) -> None:
    """A directory and a pipe are refused by name, at once, and no descriptor is left open."""
    path = tmp_path / "thing"
    assert callable(make)
    make(path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"^thing is not a regular file$"):
        read_regular(path, 10)

    assert len(os.listdir("/proc/self/fd")) == before


def test_two_looks_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows while it is read is read again; if it never rests, that is said."""
    path = tmp_path / "file"
    path.write_bytes(b"a")
    monkeypatch.setattr(files, "_PAUSE", 0)
    read, growth = os.read, iter([b"b", b"c"])

    def growing(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        for more in growth:
            path.write_bytes(path.read_bytes() + more)
            break
        return data

    monkeypatch.setattr(os, "read", growing)
    assert read_regular(path, 100) == b"abc"

    monkeypatch.setattr(os, "read", lambda descriptor, size: b"never the size that it has")
    with pytest.raises(OSError, match="keeps changing"):
        read_regular(path, 100)


def test_reasons() -> None:
    """The file's name without its directory; an error without a file as it is."""
    assert reason(FileNotFoundError(2, "No such file", "/secret/place/name")) == "name: No such file"
    assert reason(OSError(28, "No space left")) == "No space left"
    assert reason(OSError("plain words")) == "plain words"


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1', b'{"a": "\xc3', b'{"a": 1}\0\0', b'{"a": 1}}'])
def test_half_written(data: bytes) -> None:
    """What breaks the grammar may be the middle of a write."""
    assert half_written(data)


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"a": NaN, "a": 1}', b"1", b"[" * 100_000])
def test_whole(data: bytes) -> None:
    """What is complete, if wrong, does not get better by waiting."""
    assert not half_written(data)
