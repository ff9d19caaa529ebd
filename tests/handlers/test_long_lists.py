"""Thousands of models and prompts: what lists them is made beside the loop, and says the same."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from handlers.base import handler
from llm_proxy.wire import long_json
from llm_proxy.wire.sse import dumps
from tests.handlers.kit import gateway

NOWHERE = "http://127.0.0.1:9"
MODELS, PROMPTS = 5_000, 300

#: Each path, and where its long list stands.
LISTS = [
    ("/tags", "models", MODELS),
    ("/v1/models", "data", MODELS),
    ("/status", "prompts", PROMPTS),
    ("/status/models", "models", MODELS),
    ("/prompts", "prompts", PROMPTS),
]


async def test_long_lists_are_made_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No entry of them is made, and no piece of them written, in the loop's thread; a short list is."""
    many: dict[str, dict[str, Any]] = {
        f"vendor-{number % 50}/model-{number:05}": {} for number in range(MODELS)
    }
    threads: set[str] = set()

    def counted(value: Any) -> bytes:
        if isinstance(value, list) and value:
            threads.add(threading.current_thread().name)
            assert len(value) <= long_json.PIECE
        return dumps(value)

    monkeypatch.setattr(long_json, "dumps", counted)
    async with gateway(tmp_path, NOWHERE) as proxy:
        before = {path: (await proxy.request("GET", path)).json() for path, _, _ in LISTS}
        assert not threads
        proxy.write_config({"ollama": many})
        for number in range(PROMPTS):
            proxy.write_prompt(f"en/p{number}.prompt", "text")
        await proxy.service.registry.reload("test")
        monkeypatch.setattr(handler, "dumps", _never)
        for path, member, count in LISTS:
            got = (await proxy.request("GET", path)).json()
            assert len(got[member]) >= count
            assert got.keys() == before[path].keys()

    assert threads
    assert all(name.startswith("large-") for name in threads)


def _never(value: Any) -> bytes:
    raise AssertionError("on the loop")
