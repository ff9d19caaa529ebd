"""Whether a ``models-config.json`` is the one that comes with the program: then nobody has configured anything yet.

Laws: pure; recognised by what it says, comments included, however its lines end. The test of this module compares
``SHIPPED`` with the file.
"""

from __future__ import annotations

import json
from typing import Any

SHIPPED: dict[str, Any] = {
    "$schema": "models-config.schema.json",
    "$comment": [
        "As long as this file stays as it is, model servers on this machine are found and served beside the model demo,",
        "which needs none and echoes the question. Your first edit ends that; llm-proxy init writes down what was found.",
        "models-config.example.json shows every provider. Edits take effect while the proxy runs.",
    ],
    "demo": {"demo": {"languages": ["en", "pl"]}},
}
#: A file of another size is not parsed to find out.
_LARGEST = 4096


def is_shipped(data: bytes | OSError) -> bool:
    """Whether ``data`` is that configuration."""
    if not isinstance(data, bytes) or len(data) > _LARGEST:
        return False
    try:
        return bool(json.loads(data) == SHIPPED)
    except (ValueError, RecursionError):
        return False
