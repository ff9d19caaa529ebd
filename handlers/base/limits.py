"""What an upstream says in its headers of how much more it will take, for clients of its own dialect, which read it there:
``x-ratelimit-*`` of OpenAI and all who speak its API, ``anthropic-ratelimit-*``.

Laws: names are the vendor's; a value is a short line. When to ask again (``Retry-After``) is told to everybody, in whole
seconds (``errors``); more exact words of the same are for clients of the vendor, and on errors alone. The id that a vendor
gives a request is not told: the gateway's own stands there. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

OPENAI = ("x-ratelimit-",)
ANTHROPIC = ("anthropic-ratelimit-",)
#: What the official clients read, of both vendors.
_ON_ERRORS = ("retry-after-ms", "x-should-retry")
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]{1,128}")
#: Vendors have some twelve.
_MOST = 32


def limits_in(
    headers: Mapping[str, str], prefixes: tuple[str, ...], *, failed: bool
) -> Iterable[tuple[str, str]]:
    """Those of ``headers`` (names in lower case) that begin with one of ``prefixes``; if it ``failed``, the others too."""
    if not prefixes or not (failed or "ratelimit-" in "\n".join(headers)):
        return ()  # most upstreams say nothing
    found = [name for name in headers if name.startswith(prefixes)][:_MOST]
    fields = [(name, headers.get(name, "")) for name in (*found, *(_ON_ERRORS if failed else ()))]
    return [(name, value) for name, value in fields if _NAME.fullmatch(name) and _VALUE.fullmatch(value)]
