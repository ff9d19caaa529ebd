"""What servers say of their load decides, and what a conversation has left in a cache."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.routing.kit import STREAM, WHOLE, Fleet, serves
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Script


def vllm(waiting: int, asked: list[str]) -> Script:
    """A server with a page of metrics."""

    async def script(exchange: Exchange) -> None:
        asked.append(exchange.request.path)
        if exchange.request.path != "/metrics":
            await serves(exchange)
            return
        page = b'vllm:num_requests_waiting{model_name="m"} %d\n' % waiting
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))

    return script


async def test_the_busier_server_is_spared(tmp_path: Path) -> None:
    """It says that seven wait there, so nobody is sent to it; ``/status/models`` shows it. Nothing is asked before the first
    request."""
    busy: list[str] = []
    idle: list[str] = []
    fields = {1: {"api_type": "vllm"}, 2: {"api_type": "vllm"}}
    async with Fleet(tmp_path, vllm(7, busy), vllm(0, idle), fields=fields) as fleet:
        assert not busy
        assert (await fleet.ask(WHOLE)).status == 200
        await wait_until(lambda: "/metrics" in busy and "/metrics" in idle)

        async def rows() -> list[dict[str, Any]]:
            told: list[dict[str, Any]] = (await fleet.proxy.request("GET", "/status/models")).json()["models"]
            return told

        while [row["waiting"] for row in await rows()] != [7, 0]:
            await asyncio.sleep(0.02)
        chats = busy.count("/v1/chat/completions")
        for _ in range(10):
            assert (await fleet.ask(STREAM)).status == 200
        assert busy.count("/v1/chat/completions") == chats


async def test_a_conversation_stays(tmp_path: Path) -> None:
    """All turns of one go to one upstream, also after an edit; conversations as such go to both."""
    models = {"m": {"policy": "weighted"}}  # speeds, which differ by chance, decide nothing
    async with Fleet(tmp_path, serves, serves, models=models) as fleet:
        chosen: dict[int, set[str]] = {}
        for turn in range(3):
            for number in range(24):
                text = f"{number} " * 600
                history = [{"role": "user", "content": text}]
                for _ in range(turn):
                    history += [
                        {"role": "assistant", "content": "one two"},
                        {"role": "user", "content": "go on"},
                    ]
                answer = await fleet.ask({**WHOLE, "messages": history})
                chosen.setdefault(number, set()).add(answer.headers["x-llm-provider"])
            if turn == 0:
                fleet.proxy.write_config(fleet.config(options={"temperature": 0.5}))
                await wait_until(lambda: fleet.proxy.service.gateway.registry.current.generation > 1)

        assert all(len(each) == 1 for each in chosen.values())
        assert set().union(*chosen.values()) == {"gpu-1", "gpu-2"}
