"""For tests of the endpoints that are relayed: an upload, forms, and a configuration for the double."""

from __future__ import annotations

from typing import Any

from tests.support.secrets import UPSTREAM_KEY

#: All bytes, and what looks like the end of a part.
UPLOAD = bytes(range(256)) * 300 + b"\r\n--bound\r\n\r\nmodel=\r\n"


def rows(url: str, model: str = "tts-double", **fields: Any) -> dict[str, Any]:
    """The model ``m`` at the double."""
    defaults = {"api_type": "openai", "api_host": url + "/v1", "api_token": UPSTREAM_KEY, **fields}
    return {"up": {"defaults": defaults, "m": {"model": model}}}


def form(*fields: tuple[str, str | bytes], boundary: str = "bound-7") -> tuple[bytes, dict[str, str]]:
    """A form and its headers; bytes are files."""
    body = b""
    for name, value in fields:
        file = (
            '; filename="a; name=\\"model\\".mp3"\r\nContent-Type: audio/mpeg'
            if isinstance(value, bytes)
            else ""
        )
        data = value if isinstance(value, bytes) else value.encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }
