"""Where keys are in memory: with a client's connection while it lasts, with the upstream's row of the configuration; in no file of a
crash."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.kit import COMPLETION
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Connection, request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.program import PATIENCE, Program
from tests.support.scripts import answer_json

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
_PLAIN = (type, type(gc), type(len), type(gc.collect))


def holds(root: object, text: str) -> int:
    """In how many texts and bytes that ``root`` leads to ``text`` stands."""
    seen: set[int] = set()
    found, waiting = 0, [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _PLAIN):
            continue
        seen.add(id(one))
        if isinstance(one, str):
            found += text in one
        elif isinstance(one, bytes | bytearray):
            found += text.encode() in one
        elif callable(one) and hasattr(one, "__globals__"):
            waiting += [one.__closure__, one.__dict__]  # type: ignore[attr-defined]
        else:
            waiting += gc.get_referents(one)
    return found


async def test_nothing_of_ours_keeps_a_key(tmp_path: Path) -> None:
    """While a connection is open its last head is known; once it is closed nothing that the service leads to has the key: no cache, no
    ledger, no counter, no log of what was first."""
    path = write_access(tmp_path, {"keys": {"alice": row("alice", limits={"rpm": 100})}})
    async with Peer(answer_json(COMPLETION)) as peer:
        defaults = {"api_type": "openai", "api_host": peer.url + "/v1"}
        config = {"peer": {"defaults": defaults, "m": {}}}
        async with RunningGateway(tmp_path, config, access=path) as gateway:
            async with Connection(gateway.origin) as client:
                for _ in range(3):
                    got = await client.request("POST", "/v1/chat/completions", CHAT, headers=bearer("alice"))
                    assert got.status == 200
                open_ = holds(gateway.service, KEYS["alice"])
            for header in ("x-api-key", "api-key", "x-goog-api-key"):
                await request(gateway.origin, "GET", "/v1/models", headers={header: KEYS["alice"]})
            await wait_until(lambda: holds(gateway.service, KEYS["alice"]) == 0, 20)
            assert open_ >= 1  # or nobody has looked


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_crash_leaves_no_file(tmp_path: Path, workers: int) -> None:
    """The kernel is told so, by each process of the service; whoever looks for a bug may raise the limit again."""
    async with Program(tmp_path, {"demo": {"demo": {}}}, workers=workers) as program:
        await wait_until(lambda: workers == 1 or len(processes(program.pid)) > workers, PATIENCE)
        assert {core_limit(pid) for pid in processes(program.pid)} == {"0"}


def processes(pid: int) -> list[int]:
    """The program, and what it has forked."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def core_limit(pid: int) -> str:
    """How large a file of its memory may be."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if "core file" in line)
