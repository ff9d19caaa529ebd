"""What a plain request costs, counted: calls of our own functions, whose number does not depend on the machine."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import handlers
import llm_proxy
import providers
from handlers.base.handler import BaseHandler
from tests.handlers.kit import CHAT, COMPLETION, EVENTS, WHOLE, access_lines, gateway
from tests.support.client import Connection
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream

_OURS = tuple(f"{Path(package.__file__ or '').parent}/" for package in (handlers, llm_proxy, providers))
#: A little above what it was when this was written (180 and 329): whoever needs more says so here, in one line of the diff.
_WHOLE, _STREAM = 190, 345
_BATCHES, _REQUESTS = 5, 10


async def _calls(client: Connection, body: dict[str, Any]) -> tuple[float, Counter[str]]:
    """Calls for one request, the least of several batches (what else a process does now and then is in the others)."""
    least: Counter[str] | None = None
    for _ in range(_BATCHES):
        found: Counter[str] = Counter()

        def count(frame: FrameType, event: str, _: Any, found: Counter[str] = found) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(_OURS):
                found[f"{Path(code.co_filename).name}: {code.co_name}"] += 1

        for at in range(_REQUESTS + 2):
            if at == 2:  # all that is made once is there
                sys.setprofile(count)
            try:
                answer = await client.request("POST", "/v1/chat/completions", body)
            finally:
                if at == _REQUESTS + 1:
                    sys.setprofile(None)
            assert answer.status == 200
        if least is None or found.total() < least.total():
            least = found
    assert least is not None
    return least.total() / _REQUESTS, least


async def test_a_plain_request_makes_few_calls(tmp_path: Path) -> None:
    """One model at one upstream, nothing configured: the whole way takes no more calls than it may."""
    peer = Peer(answer_json(COMPLETION))
    async with peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        with access_lines():
            calls, which = await _calls(client, WHOLE)
    assert calls <= _WHOLE, which.most_common()


@pytest.mark.parametrize("stream_it", [False, True])
async def test_a_handler_has_few_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stream_it: bool
) -> None:
    """An object of more than thirty attributes has a dictionary to itself (CPython's ``SHARED_KEYS_MAX_SIZE``), which each look at
    it pays for, and the memory of each open stream: what is looked at often lies in slots."""
    most: list[int] = []
    release = BaseHandler.release

    def counted(handler: BaseHandler) -> None:
        most.append(len(vars(handler)))
        release(handler)

    monkeypatch.setattr(BaseHandler, "release", counted)
    peer = Peer(stream(*sse(*EVENTS)) if stream_it else answer_json(COMPLETION))
    async with peer, gateway(tmp_path, peer.url) as proxy:
        await proxy.request("POST", "/v1/chat/completions", {**CHAT, "stream": stream_it})
    assert max(most) <= 30


async def test_a_plain_stream_makes_few_calls(tmp_path: Path) -> None:
    """The same for a stream of five events."""
    peer = Peer(stream(*sse(*EVENTS)))
    async with peer, gateway(tmp_path, peer.url) as proxy, Connection(proxy.url) as client:
        with access_lines():
            calls, which = await _calls(client, {**CHAT, "stream": True})
    assert calls <= _STREAM, which.most_common()
