"""How many tokens a request of the Messages API is about, for upstreams that cannot say, or say it at the end only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: About what a picture costs, whatever its bytes are (docs.anthropic.com/en/docs/build-with-claude/vision).
_PICTURE = 1_500


def estimated_tokens(body: Mapping[str, Any]) -> int:
    """A count without a tokenizer: four bytes of text are about one token of English. An estimate, no more."""
    size = 0
    stack = [body[key] for key in ("system", "messages", "tools") if body.get(key)]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode(errors="replace"))
        elif isinstance(value, dict):
            if value.get("type") == "base64":
                size += 4 * _PICTURE
                continue
            size += 4 * len(value)
            stack.extend(value.values())
            size += sum(map(len, value))
        elif isinstance(value, list):
            stack.extend(value)
        else:
            size += 4
    return max(1, size // 4)
