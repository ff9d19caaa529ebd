"""Keys for tests: made once, planted, and written as an operator writes ``access.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_proxy.live.access.secrets import digest_of, hash_text, new_key

#: By name; the texts are secrets of this run.
KEYS = {name: new_key() for name in ("alice", "bob", "carol", "root", "reader", "old")}


def row(name: str, **fields: Any) -> dict[str, Any]:
    """The row of that key."""
    return {"hash": hash_text(digest_of(KEYS[name])), **fields}


def bearer(name: str) -> dict[str, str]:
    """The headers of a client that holds that key."""
    return {"Authorization": f"Bearer {KEYS[name]}"}


def write_access(folder: Path, document: Mapping[str, Any] | str) -> Path:
    """Replace the file in one step."""
    path = folder / "access.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(document if isinstance(document, str) else json.dumps(document, indent=1))
    os.replace(temporary, path)
    return path
