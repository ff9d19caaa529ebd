"""How many tokens a request has, about: of every form that is known, and unknown where nobody here can know."""

from __future__ import annotations

from typing import Any

import pytest

from llm_proxy.routing.estimate import likely_tokens

TEXT = "Hello there, how are you today?"  # 31 characters
ASK = [{"role": "user", "content": TEXT}]
PARTS = {"parts": [{"text": TEXT}]}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": ASK}, 8),
        ({"messages": ASK, "system": TEXT}, 16),
        ({"input": TEXT, "instructions": TEXT}, 16),
        ({"input": [TEXT, TEXT]}, 16),
        ({"prompt": TEXT}, 8),
        ({"prompt": [1, 2, 3]}, 3),
        ({"input": [[1, 2], [3]]}, 3),
        ({"contents": [PARTS], "systemInstruction": PARTS}, 16),
        ({"generateContentRequest": {"contents": [PARTS]}}, 8),
        ({"content": PARTS}, 8),
        ({"requests": [{"model": "models/m", "content": PARTS}, {"content": PARTS}]}, 16),
        ({"query": TEXT, "documents": [TEXT, {"text": TEXT}]}, 24),
        ({"messages": ASK, "tools": [{"name": "f" * 87}]}, 8 + 25),
        ({"input": TEXT, "previous_response_id": "resp_1"}, None),
        ({"prompt": {"id": "pmpt_1"}, "input": TEXT}, None),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": TEXT}, PICTURE]}]}, None),
        ({"messages": [{**ASK[0], "images": ["AAAA"]}]}, None),
        ({"contents": [{"parts": [{"text": TEXT}, {"inlineData": {"data": "AAAA"}}]}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]}, None),
        ({"texts": [TEXT]}, None),
        ({"input": []}, None),
        ({"input": [[1], "a"]}, 1),
        ({"messages": [{"type": ["image"], "content": TEXT}]}, 8),
        ({}, None),
    ],
)
def test_estimates(body: dict[str, Any], tokens: int | None) -> None:
    """A quarter of the characters, the tokens that are there, or nothing."""
    assert likely_tokens(body) == tokens
