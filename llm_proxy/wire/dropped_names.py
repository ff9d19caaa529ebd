"""How something that was taken out of a request is called in ``X-Dropped-Params`` and in the log: one form for all faces.

Laws: the place by names and numbers with points between them, as in a 400, then in brackets what kind of thing it was. What
a client wrote is repeated only if it is a plain name.
"""

from __future__ import annotations

import re
from typing import Any

_PLAIN = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def label(kind: Any) -> str:
    """A type or a name that a client wrote, fit for a header and a log."""
    return kind if isinstance(kind, str) and _PLAIN.fullmatch(kind) else "type not known"


def dropped(path: str, kind: Any) -> str:
    """The thing at ``path``, such as ``tools.4 (web_search)``."""
    return f"{path} ({label(kind)})"
