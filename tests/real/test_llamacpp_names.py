"""Names and live lists before the real llama.cpp server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.llamacpp import LlamaCpp

pytestmark = pytest.mark.one_python(
    "test_llamacpp_gateway asks the same server through the gateway on each Python"
)


async def test_what_it_lists_is_served(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    """A provider that says only ``"*"`` shows its model, and answers by every name for it; what the server says of its context
    is known then, and ``/explain`` shows the call."""
    config = {
        "$models": {"gpt-*": {"alias": "box/tiny"}, "assistant": {"alias": "tiny"}},
        "box": {"defaults": {"api_type": "openai", "vendor": "llamacpp", "api_host": llamacpp.base}, "*": {}},
    }
    async with RunningGateway(tmp_path, config) as proxy:
        async with asyncio.timeout(20):
            while True:
                listed = (await request(proxy.origin, "GET", "/v1/models")).json()["data"]
                if {entry["id"] for entry in listed} == {"tiny", "assistant"}:
                    break
                await asyncio.sleep(0.05)
        body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
        for name in ("tiny", "assistant", "gpt-4o", "box/tiny"):
            answer = await request(proxy.origin, "POST", "/v1/chat/completions", {"model": name, **body})
            assert answer.status == 200
            assert answer.json()["model"] == name
        asked = {"path": "/v1/messages", "body": {"model": "gpt-4o", **body}}
        told = (await proxy.request("POST", "/explain", asked)).json()

    assert told["candidates"][0]["model"] == "tiny"
    assert told["call"]["body"]["model"] == "tiny"
