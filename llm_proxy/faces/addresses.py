"""Files by address in a chat that was made of another API's request: a part ``file`` has a field for data, and few servers
take an address there (``Vendor.file_urls``). An address that nobody reads is a 400 that says so, and no 400 of the vendor's;
one that was answered already, by another model, is told in words: it must not end the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem

_Json = dict[str, Any]
_WORDS = {
    "image_url": "picture",
    "file": "file",
    "input_audio": "sound",
    "audio_url": "sound",
    "video_url": "video",
}


def is_address(part: Mapping[str, Any]) -> bool:
    """Whether a part is a file that is given by its address."""
    file = part.get("file") if part["type"] == "file" else None
    data = file.get("file_data") if isinstance(file, dict) else None
    return isinstance(data, str) and data[:8].lower().startswith(("http://", "https://"))


def in_words(part: _Json) -> _Json:
    """That there was a part which a model cannot be shown, and what it was called."""
    kind = part["type"]
    inner = part.get(kind)
    names = (
        [inner.get(name) for name in ("url", "file_data", "filename")] if isinstance(inner, dict) else [inner]
    )
    given = (name for name in names if isinstance(name, str) and 0 < len(name) < 2000)
    called = next((f" ({name[:200]})" for name in given if not name.startswith("data:")), "")
    text = f"[A {_WORDS.get(kind, 'part')} was here{called} that this model cannot be shown.]"
    return {"type": "text", "text": text}


def without_addresses(messages: list[_Json], field: str) -> tuple[list[_Json], tuple[str, ...]]:
    """``messages`` with those of earlier turns in words, and what is called so. Raises ``InvalidRequest`` for ``field`` if there
    is one in what was not answered yet."""
    last = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    found = list(messages)
    named: list[str] = []
    for at, message in enumerate(messages):
        parts = message.get("content")
        if not isinstance(parts, list) or not any(map(is_address, parts)):
            continue
        if at > last and message["role"] != "tool":
            words = "a file by address cannot be sent to this model: send its data"
            raise InvalidRequest.of([Problem(field, words)])
        named.append(f"{field} (a file by address, told as text)")
        found[at] = {**message, "content": [in_words(part) if is_address(part) else part for part in parts]}
    return (found, tuple(dict.fromkeys(named))) if named else (messages, ())
