"""What an upstream says about itself, and about our key, in an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handlers.base.redaction import conceal
from llm_proxy.errors import UpstreamError
from llm_proxy.wire.calls import Deployment, Secret
from tests.handlers.kit import CHAT, WHOLE, config
from tests.support.gateway import RunningGateway
from tests.support.peer import Peer
from tests.support.scripts import answer_json, sse, stream

KEY = "swordfish-of-the-house"
EXTRA = "another-secret"


def deployment(api_host: str) -> Deployment:
    """One with a key and a header that holds another."""
    headers = {"X-Tenant": Secret(f"Tenant {EXTRA}")}
    return Deployment("p", "m", "openai", api_host, "up", token=Secret(KEY), headers=headers)


@pytest.mark.parametrize(
    ("api_host", "said", "shown"),
    [
        ("http://ollama:11434/v1", "cannot reach Ollama:11434 now", "cannot reach [address] now"),
        ("http://ollama:11434/v1", "see http://ollama:11434/v1/models", "see [address]/models"),
        ("http://gpu7/v1", "gpu7:80 failed, not gpu7:8000", "[address] failed, not gpu7:8000"),
        ("https://models.corp.example", "ask models.corp.example", "ask [address]"),
        ("http://up:1", "upload of backup:10 failed", "upload of backup:10 failed"),
        ("http://h:1", f"key {KEY!r} is wrong", "key '[key]' is wrong"),
        ("http://h:1", f"nobody is {EXTRA}", "nobody is [key]"),
    ],
)
def test_exact_addresses_and_keys(api_host: str, said: str, shown: str) -> None:
    """The configured host with its port, the URL, and each word of the credentials are replaced, in any case of
    letters, wherever an error may hold them; words that only contain such a text are not."""
    error = UpstreamError(said, param=said)
    error.details = {said: [said, 1]}

    conceal(error, deployment(api_host))

    assert error.message == error.param == shown
    assert error.details == {shown: [shown, 1]}


def test_the_log_learns_the_address_and_no_key() -> None:
    """What is for the log keeps the address, by which the operator finds the fault, and loses the key."""
    error = UpstreamError("x", detail=f"ConnectError: ollama:11434 with {KEY}")

    conceal(error, deployment("http://ollama:11434"))

    assert error.detail == "ConnectError: ollama:11434 with [key]"


def test_a_short_key_is_none() -> None:
    """A placeholder such as vLLM's EMPTY is no secret, and is not cut out of words."""
    error = UpstreamError("the list is empty")

    conceal(error, Deployment("p", "m", "openai", "http://h:1", "up", token=Secret("EMPTY")))

    assert error.message == "the list is empty"


@pytest.mark.parametrize("body", [CHAT, WHOLE], ids=["stream", "whole"])
@pytest.mark.parametrize("late", [False, True], ids=["refusal", "event"])
async def test_a_client_is_not_told(body: dict[str, Any], late: bool, tmp_path: Path) -> None:
    """A key that looks like no key does not reach the client, whenever the upstream repeats it."""
    said = {"error": {"message": f"bad key {KEY}", "param": KEY}}
    script = stream(*sse(said)) if late else answer_json(said, 400)
    async with Peer(script) as peer:
        rows = config(peer.url, api_token=KEY)
        async with RunningGateway(tmp_path, rows) as proxy:
            got = await proxy.request("POST", "/chat", body)

    assert b"bad key [key]" in got.body
    assert KEY.encode() not in got.body
