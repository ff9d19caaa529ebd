"""What one request takes of memory: in proportion to its bytes, and given back, whatever it is and however it ends."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults.kit import healthy
from tests.handlers.kit import CHAT, WHOLE, config, gateway
from tests.support.client import request
from tests.support.hostile import CHAT as HOSTILE
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import Program

MIB = 1 << 20
#: Bytes of memory for each byte sent, beside what a process takes for itself and for the most objects that a body may hold.
GROWTH, FREE = 10, 128 * MIB
#: What may be kept for the next one, in pieces between what is still needed.
KEPT = 64 * MIB
_TEXT = "x" * 8_000_000

JSON = {"Content-Type": "application/json"}
GZIP = {**JSON, "Content-Encoding": "gzip"}


def _json(**more: Any) -> bytes:
    return json.dumps({**WHOLE, **more}).encode()


#: By name: what is sent, how it is encoded, and the status of its answer.
BODIES: Mapping[str, tuple[Callable[[], bytes], Mapping[str, str], int]] = {
    "a text": (lambda: _json(user=_TEXT), JSON, 200),
    "a text of escapes": (lambda: _json(user="\n" * 4_000_000), JSON, 200),
    "a text that is no ASCII": (lambda: json.dumps({**WHOLE, "user": "é" * 4_000_000}, ensure_ascii=False).encode(), JSON, 200),
    "a picture": (
        lambda: _json(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 8_000_000}}]}]),
        JSON,
        200,
    ),
    "many messages": (lambda: json.dumps({**HOSTILE["users"](60_000), "stream": False}).encode(), JSON, 200),
    "many parts": (lambda: json.dumps({**HOSTILE["parts"](60_000), "stream": False}).encode(), JSON, 200),
    "many tools": (lambda: json.dumps({**HOSTILE["tools"](5_000), "stream": False}).encode(), JSON, 200),
    "many names": (lambda: json.dumps({**HOSTILE["unknown names"](16_000), "stream": False}).encode(), JSON, 200),
    "many nothings": (lambda: _json(a=[{}] * 150_000), JSON, 200),
    "numbers": (lambda: _json(a=[1234] * 400_000), JSON, 200),
    "wrong items": (lambda: json.dumps(HOSTILE["wrong messages"](250_000)).encode(), JSON, 400),
    "a fault at the end": (lambda: b'{"a":"' + b"x" * 8_000_000 + b'","b":NaN}', JSON, 400),
    "a fault in a text": (lambda: b'{"a":"' + b"x" * 8_000_000 + b'\n"}', JSON, 400),
    "no text": (lambda: b"\xff" * 8_000_000, JSON, 400),
    "blanks": (lambda: b" " * 8_000_000, JSON, 400),
    "too many values": (lambda: b'{"a":[' + b'"","",' * 1_000_000 + b"0]}", JSON, 400),
    "a long name of a model": (lambda: _json(model="m" * 8_000_000), JSON, 404),
    "a bomb": (lambda: gzip.compress(_json(user=_TEXT)), GZIP, 413),
    "compressed": (lambda: gzip.compress(_json(user=os.urandom(1_500_000).hex())), GZIP, 200),
    "cut off": (lambda: gzip.compress(os.urandom(4_000_000))[:-1000], GZIP, 400),
    "no gzip": (lambda: os.urandom(4_000_000), GZIP, 400),
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read from /proc")
async def test_memory_grows_with_the_bytes_and_comes_back(tmp_path: Path) -> None:
    """Beside 128 MiB at most ten times the bytes sent (unpacked ones count), each kind of body by itself; soon after the
    answer they are given back to the system."""
    wrong = []
    async with Peer(healthy) as peer, Program(tmp_path, config(peer.url)) as program:
        assert (await request(program.url, "POST", "/chat", WHOLE)).status == 200

        def resident() -> int:
            return int(Path(f"/proc/{program.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        first = resident()
        for name, (make, headers, status) in BODIES.items():
            data = make()
            size = len(gzip.decompress(data)) if status == 200 and headers is GZIP else len(data)
            before = peak = resident()
            asking = asyncio.ensure_future(request(program.url, "POST", "/chat", data, headers=headers))
            while not asking.done():
                peak = max(peak, resident())
                await asyncio.sleep(0.005)
            if (got := await asking).status != status:
                wrong.append(f"{name}: {got.status} {got.body[:200]!r}")
            if peak - before > GROWTH * size + FREE:
                wrong.append(f"{name}: {(peak - before) / MIB:.0f} MiB for {size} bytes")
            peer.requests.clear()
            await wait_until(lambda: resident() < first + KEPT, 30)
    assert wrong == []


@pytest.mark.parametrize(
    "name", ["a bomb", "cut off", "wrong items", "a fault at the end", "a fault in a text", "no text"]
)
async def test_a_refusal_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    """What was raised, and with it all that the work had made, is gone with the answer: no ring of references waits for the
    garbage collector, which rests while much is worked on."""
    make, headers, status = BODIES[name]
    async with Peer(healthy) as peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.request("POST", "/chat", {**CHAT, "model": "none"})
        data = make()
        gc.collect()
        gc.disable()
        try:
            before = {id(each) for each in gc.get_objects() if isinstance(each, BaseException)}
            got = await request(proxy.url, "POST", "/chat", data, headers=headers)

            def left() -> list[str]:
                # By id: this list itself must not keep them.
                return [
                    repr(each)
                    for each in gc.get_objects()
                    if isinstance(each, BaseException) and id(each) not in before
                ]

            await wait_until(lambda: not left(), 20)
        finally:
            gc.enable()
    assert got.status == status
