"""Items of a history that no chat API has a place for, as words: what tools did that ran at a vendor (web search, MCP
servers, code interpreters, ...), and kinds of items that are not known yet.

Laws: whatever the client or a tool said in such an item reaches the model as text; what only serves bookkeeping, or can be
read by its vendor alone, does not. Types: ``openai.types.responses``.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.responses.kind import text_of

_Json = dict[str, Any]
#: Bookkeeping, and what is no text: keys, states, pictures in base64.
_SILENT = frozenset(
    {
        *(
            "id",
            "type",
            "status",
            "call_id",
            "created_by",
            "encrypted_content",
            "fingerprint",
            "container_id",
        ),
        *(
            "approval_request_id",
            "caller",
            "async",
            "role",
            "object",
            "phase",
            "internal_chat_message_metadata",
        ),
    }
)
#: What says nothing that anybody could use here.
_NOTHING = frozenset({"mcp_list_tools", "tool_search_call"})
#: Fields with pictures.
_PICTURES = {"image_generation_call": ("result", "svg_usage")}


def told(item: _Json) -> str:
    """``item`` in words; empty if it says nothing."""
    kind = str(item.get("type"))
    silent = _SILENT.union(_PICTURES.get(kind, ()))
    said = {name: value for name, value in item.items() if name not in silent and value not in _EMPTY}
    if kind in _NOTHING or not said:
        return ""
    return f"[{kind}: {text_of(said)}]"


_EMPTY: tuple[Any, ...] = (None, "", [], {})


def is_of_user(item: _Json) -> bool:
    """Whether it is the client that says it, and not the assistant."""
    kind = str(item.get("type"))
    return kind.endswith(("_output", "_response")) or item.get("role") in ("user", "developer", "system")
