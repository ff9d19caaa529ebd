"""How one attempt at an upstream is told, in ``X-LLM-Attempts`` and in the access line: ``gpu-1:503:12ms``.

Laws: one short word for what came of it: the status that the upstream gave, or that its words stand for, else ``refused``,
``reset``, ``timeout`` or ``aborted``; then the time to the first byte, or to the end if there was none. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from llm_proxy.errors import ClientGone, GatewayError, UpstreamTimeout

#: What happened to a connection that never was one.
_REFUSED = frozenset({"refused", "nxdomain", "unreachable", "verify", "protocol", "exhausted"})


def words(provider: str, status: int | None, error: GatewayError | None, seconds: float) -> str:
    """The attempt at ``provider``, as it stands in headers; ``status``: of its answer's head, if one came."""
    return f"{header_text(provider)}:{word_for(error, status) if error else status}:{seconds * 1000:.0f}ms"


@lru_cache(maxsize=1000)
def header_text(text: str) -> str:
    """A configured name in a header (what a client chose goes around the cache): ASCII as it is, anything else percent-encoded."""
    return text if text.isascii() and text.isprintable() else quote(text, safe=" /:@._-+")


def word_for(error: GatewayError, status: int | None) -> str:
    """What came of an attempt that ended in ``error``."""
    if isinstance(error, UpstreamTimeout):
        return "timeout"
    if status is not None and status >= 300:
        return str(status)
    if isinstance(error, ClientGone) or not error.phase:
        return "aborted"
    if status is None:
        return "refused" if error.phase != "head" and error.kind in _REFUSED else "reset"
    if error.kind in ("reset", "truncated", "no_terminator"):
        return "reset"
    return str(error.status)
