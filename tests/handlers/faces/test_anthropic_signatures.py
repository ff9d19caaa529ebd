"""Signatures of other vendors in Anthropic's dialect, asked by the official client: what a vendor signs comes back to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from tests.handlers.faces.test_anthropic_face import TOOL
from tests.support.gemini_rules import signature
from tests.support.openai_upstreams import over
from tests.support.secrets import CLIENT_KEY

WEATHER: Any = {**TOOL, "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
CLOCK: Any = {**WEATHER, "name": "get_time"}
ASK: Any = {"role": "user", "content": "Weather?"}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("thinks", [True, False])
async def test_google_signatures(streaming: bool, thinks: bool, tmp_path: Path) -> None:
    """Google's models sign their first call and want that back: the client keeps it as thinking's signature, with the
    thoughts or, where none are shown, without."""
    given: Any = {"model": "m", "max_tokens": 4096, "tools": [WEATHER, CLOCK]}
    if thinks:
        given.update(thinking={"type": "adaptive"}, output_config={"effort": "medium"})
    async with over("gemini", tmp_path) as (proxy, double):
        async with AsyncAnthropic(base_url=proxy.origin, api_key=CLIENT_KEY, max_retries=0) as sdk:
            if streaming:
                async with sdk.messages.stream(messages=[ASK], **given) as live:
                    first: Any = await live.get_final_message()
            else:
                first = await sdk.messages.create(messages=[ASK], **given)
            content = [block.model_dump(exclude_none=True) for block in first.content]
            uses = [block for block in content if block["type"] == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "x"} for use in uses]
            turns: Any = [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
            await sdk.messages.create(messages=[ASK, *turns], **given)
        parts = double.requests[1].json()["contents"][1]["parts"]

    assert [block["type"] for block in content] == ["thinking", "tool_use", "tool_use"]
    assert content[0]["thinking"] == ("Let me think." if thinks else "")
    assert [part.get("thoughtSignature") for part in parts] == [signature("get_weather"), None]
