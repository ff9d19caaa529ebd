"""Files by address in a chat that was made of another API's request: a part ``file`` has a field for data, and few servers
take an address there (``Vendor.file_urls``). An address that nobody reads is a 400 that says so, and no 400 of the vendor's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem


def is_address(part: Mapping[str, Any]) -> bool:
    """Whether a part is a file that is given by its address."""
    file = part.get("file") if part["type"] == "file" else None
    data = file.get("file_data") if isinstance(file, dict) else None
    return isinstance(data, str) and data[:8].lower().startswith(("http://", "https://"))


def refuse_addresses(messages: Iterable[Mapping[str, Any]], field: str) -> None:
    """Raise ``InvalidRequest`` for ``field`` if there is one in ``messages``."""
    for message in messages:
        parts = message.get("content")
        if isinstance(parts, list) and any(map(is_address, parts)):
            words = "a file by address cannot be sent to this model: send its data"
            raise InvalidRequest.of([Problem(field, words)])
