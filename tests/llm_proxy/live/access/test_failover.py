"""Redis fails over: two real servers, a primary and its replica, behind one address that is moved when the primary has died."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_proxy.live.access.accounting import Accounting
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.reservation import Need
from llm_proxy.live.access.shared import Shared
from llm_proxy.live.access.shared_counters import SharedCounters
from llm_proxy.live.access.values import Limit
from tests.llm_proxy.live.access.test_shared import Server, let_in, plan_of
from tests.support.logs import expect_log
from tests.support.loops import wait_until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("redis-server") is None,
        reason="redis-server is not installed (apt-get install redis-server)",
    ),
    pytest.mark.timeout(seconds=120),
]


class Address:
    """One address that leads to either server, as a service or a virtual address does: new connections go to ``port``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for end in self._ends:
            end.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        ends = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
            ends.append(back)
            self._ends |= {*ends}
            copies = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.close()
            await asyncio.wait(copies)
        except OSError:
            writer.close()  # nobody is there
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
        self._ends -= {*ends}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[tuple[Address, Server, Server, list[Accounting]]]:
    """A primary, its replica in step with it, and two gateways that have seen each other."""
    primary, replica = Server(folder), Server(folder)
    await primary.start()
    await replica.start()
    replica.say("REPLICAOF", "127.0.0.1", str(primary.port))
    await wait_until(lambda: "master_link_status:up" in info(replica), 30)
    address = Address(primary.port)
    try:
        async with address as url:
            made = [Accounting(Meter(SharedCounters(1, 4096)), shared=Shared(url)) for _ in range(2)]
            shared = [books.shared for books in made if books.shared is not None]
            for one in shared:
                one.start()
            await wait_until(lambda: all(one.gateways == 2 for one in shared), 20)
            try:
                yield address, primary, replica, made
            finally:
                for one in shared:
                    await one.close()
    finally:
        primary.stop()
        replica.stop()


def info(server: Server) -> str:
    command = ["redis-cli", "-p", str(server.port), "INFO", "replication"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_failing_over(tmp_path: Path) -> None:
    """The primary dies, its replica is promoted and takes the address: what was let in before still counts, no request waits, limits never open,
    and are not closed for good."""
    spent, fresh, later = (plan_of(Limit(kind, 20, 20)) for kind in ("rpd", "tpd", "rpm"))
    async with pair(tmp_path) as (address, primary, replica, gateways):
        before = sum([await let_in(books, spent) for _ in range(15) for books in gateways])
        assert before == 20
        # It has the newest of what was counted, or nothing could be said of it.
        await wait_until(lambda: offsets(primary)[0] <= offsets(replica)[0], 20)
        with expect_log(
            "llm_proxy.live.access.shared", "are away|are back|were lost", required=False
        ) as told:
            primary.process.kill()
            primary.process.wait()
            during = [await let_in(books, spent) for _ in range(10) for books in gateways]
            opened = [
                await let_in(books, fresh, Need(1), settle=False) for _ in range(30) for books in gateways
            ]
            assert sum(during) == 0  # here it is known too how much came in
            assert sum(opened) <= 20
            assert sum(opened) >= 2
            replica.say("REPLICAOF", "NO", "ONE")
            address.port = replica.port
            await wait_until(
                lambda: all(books.shared is not None and books.shared.state == "ok" for books in gateways), 30
            )
            after = sum([await let_in(books, spent) for _ in range(15) for books in gateways])
            assert after == 0
            assert [await let_in(books, later) for books in gateways] == [True, True]
        lost = [record for record in told if "were lost" in record.message]
        assert not lost  # the replica has the same memory
        assert sum("are away" in record.message for record in told) <= 4  # not one for each request


def offsets(server: Server) -> list[int]:
    return [
        int(line.split(":")[1])
        for line in info(server).splitlines()
        if line.startswith(("slave_repl_offset", "master_repl_offset"))
    ]


async def test_a_replica_that_refuses_to_be_written(tmp_path: Path) -> None:
    """The address has moved before the replica is promoted: it answers, and refuses each write. That is as being away; once promoted it is
    used."""
    plan = plan_of(Limit("rpd", 20, 20))
    async with pair(tmp_path) as (address, primary, replica, gateways):
        with expect_log("llm_proxy.live.access.shared", "are away|are back", required=False):
            address.port = replica.port
            primary.process.kill()
            primary.process.wait()
            found = [await let_in(books, plan) for _ in range(30) for books in gateways]
            assert 2 <= sum(found) <= 20
            replica.say("REPLICAOF", "NO", "ONE")
            await wait_until(
                lambda: all(books.shared is not None and books.shared.state == "ok" for books in gateways), 30
            )
            fresh = plan_of(Limit("rpm", 20, 20))
            assert [await let_in(books, fresh) for books in gateways] == [True, True]
