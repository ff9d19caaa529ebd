"""Compressed bodies, unpacked: what comes out, what is refused, and what a bomb costs."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.clients.unpacking import FREE, MAX_RATIO, codings_of, unpacked
from llm_proxy.errors import RequestError, RequestTooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

zstd_compress = zstd.compress

LIMIT = 32 * 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's head."""
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


Pack = Callable[[bytes], bytes]
PACKS: list[tuple[str, Pack]] = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstd.compress),
]
EACH = pytest.mark.parametrize(("coding", "pack"), PACKS, ids=("gzip", "zlib", "raw", "zstd"))


@EACH
@given(data=st.binary(max_size=3000).map(lambda some: some * 40))
def test_what_was_packed_comes_out(coding: str, pack: Pack, data: bytes) -> None:
    """Whatever it was."""
    assert unpacked(pack(data), (coding,), LIMIT) == data


@EACH
def test_a_cut_or_changed_body_is_never_a_short_one(coding: str, pack: Pack) -> None:
    """Each beginning of it is refused, and whatever follows its end."""
    packed = pack(b'{"model": "m", "messages": []}' * 20)
    for end in range(1, len(packed)):
        with pytest.raises(RequestError) as cut:
            unpacked(packed[:end], (coding,), LIMIT)
        assert (cut.value.status, cut.value.code) == (400, "invalid_encoding")
    for more in (b"\0", b"x", b"more of it"):
        with pytest.raises(RequestError):
            unpacked(packed + more, (coding,), LIMIT)


@EACH
def test_a_bomb_costs_little(coding: str, pack: Pack) -> None:
    """It is left at the bound of its ratio: neither its size nor the limit of a body matters."""
    bomb = pack(bytes(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        with pytest.raises(RequestTooLarge) as refused:
            unpacked(bomb, (coding,), 1 << 30)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert refused.value.status == 413
    assert peak < 3 * max(FREE, 64 * 1024 * MAX_RATIO)


@EACH
def test_nothing_is_inflated_beyond_the_limit(coding: str, pack: Pack) -> None:
    """One byte too many is a 413, and as many as allowed are not."""
    data = bytes(range(256)) * 400
    assert unpacked(pack(data), (coding,), len(data)) == data
    with pytest.raises(RequestTooLarge):
        unpacked(pack(data), (coding,), len(data) - 1)


def test_several_members_are_one_body() -> None:
    """Of gzip (RFC 1952, section 2.2) and of zstd (RFC 8878, section 3), also with a frame that holds nothing; not of
    deflate, and not without end."""
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"

    assert unpacked(gzip.compress(b"a") + gzip.compress(b"b"), ("gzip",), LIMIT) == b"ab"
    assert unpacked(zstd.compress(b"a") + skippable + zstd.compress(b"b"), ("zstd",), LIMIT) == b"ab"
    for many, coding in ((zlib.compress(b"a") * 2, "deflate"), (gzip.compress(b"a") * 2000, "gzip")):
        with pytest.raises(RequestError):
            unpacked(many, (coding,), LIMIT)


def test_several_codings_are_undone_from_the_last() -> None:
    """As they were applied; each of them is bounded."""
    data = b"word " * 1000
    assert unpacked(zstd.compress(gzip.compress(data)), ("gzip", "zstd"), LIMIT) == data
    with pytest.raises(RequestTooLarge):
        unpacked(gzip.compress(gzip.compress(bytes(1 << 26))), ("gzip", "gzip"), LIMIT)


def test_nothing_stays_nothing() -> None:
    """An empty body has no coding."""
    assert unpacked(b"", ("gzip",), LIMIT) == b""


def test_a_window_that_nobody_may_ask_for() -> None:
    """zstd's memory is the sender's to choose; 8 MiB is the most (RFC 9659)."""
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    streamed = zstd.ZstdCompressor(options=options)
    wide = streamed.compress(b"a" * 1000, zstd.ZstdCompressor.FLUSH_BLOCK) + streamed.flush()
    with pytest.raises(RequestError):
        unpacked(wide, ("zstd",), LIMIT)


NAMES = [
    ("gzip", ("gzip",)),
    ("GZIP", ("gzip",)),
    ("x-gzip", ("gzip",)),
    (" gzip , zstd ", ("gzip", "zstd")),
    ("identity", ()),
    ("gzip, identity", ("gzip",)),
    ("", ()),
    (",gzip,,", ("gzip",)),
    ("deflate", ("deflate",)),
]


@pytest.mark.parametrize(("value", "codings"), NAMES)
def test_names(value: str, codings: tuple[str, ...]) -> None:
    """In any case, in any order, with what says nothing among them (RFC 9110, section 5.6.1)."""
    assert codings_of(value) == codings


@pytest.mark.parametrize(
    "value", ["br", "compress", "gzip;q=1", "aes128gcm", "gzip, br", "gzip " * 2, "gzip," * 4]
)
def test_names_that_are_not_understood(value: str) -> None:
    """A 415, too many of them included."""
    with pytest.raises(UnsupportedMedia) as refused:
        codings_of(value)
    assert refused.value.status == 415
