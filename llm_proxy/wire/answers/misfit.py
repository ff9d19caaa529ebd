"""The error for pieces of an answer that make no sense to anybody."""

from __future__ import annotations

from llm_proxy.errors import UpstreamError


def misfit(what: str) -> UpstreamError:
    """The upstream's answer has ``what``."""
    return UpstreamError(f"the upstream's answer has {what}", phase="body", kind="event")
