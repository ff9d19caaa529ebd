"""An MCP server on standard input and output with one tool, ``draw_picture``: it answers with a text and a picture.

Needs nothing but Python, since programs start it with any. Speaks JSON-RPC 2.0, one message a line, as the protocol's
stdio transport says; it agrees to whatever version of the protocol the client names.
"""

from __future__ import annotations

import json
import sys
from typing import Any

#: One red pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
TOOL = {
    "name": "draw_picture",
    "description": "Draws a picture and gives it back.",
    "inputSchema": {
        "type": "object",
        "properties": {"colour": {"type": "string", "description": "Its colour."}},
    },
}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None for a method that is not known."""
    if method == "initialize":
        version = params.get("protocolVersion", "2025-06-18")
        about = {"name": "pictures", "version": "1"}
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        picture = {"type": "image", "data": PNG, "mimeType": "image/png"}
        return {"content": [{"type": "text", "text": "A red picture."}, picture], "isError": False}
    return {} if method == "ping" else None


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        result = answer(message["method"], message.get("params") or {})
        found: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        unknown = {"code": -32601, "message": f"there is no method {message['method']}"}
        found |= {"error": unknown} if result is None else {"result": result}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
