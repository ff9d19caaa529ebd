"""Long lists as JSON, written in pieces.

Laws: the bytes are those of ``dumps``. Encoding holds the interpreter from every other thread until it is through, so what has
thousands of entries is written a few at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.wire.sse import dumps

#: Entries in a piece: some 50 KB of models, a fraction of a millisecond.
PIECE = 100


def dumps_long(value: Mapping[str, Any]) -> bytes:
    """An object whose members may be long lists."""
    members = (dumps(name) + b":" + _member(item) for name, item in value.items())
    return b"{" + b",".join(members) + b"}"


def _member(item: Any) -> bytes:
    if not isinstance(item, list) or len(item) <= PIECE:
        return dumps(item)
    pieces = (dumps(item[start : start + PIECE])[1:-1] for start in range(0, len(item), PIECE))
    return b"[" + b",".join(pieces) + b"]"
