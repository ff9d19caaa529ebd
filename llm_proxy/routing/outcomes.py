"""What a failed attempt means for the next one, for its upstream, and for another model that could answer.

Laws: only what stands in the lists below may be hidden by another attempt; a client's own mistake is never repeated. Whether
a byte of the answer has reached the client is not known here, nor whether the budget allows it: who asks knows both.
"""

from __future__ import annotations

from typing import NamedTuple

from llm_proxy.errors import (
    GatewayError,
    NoUpstream,
    RateLimited,
    UpstreamAuth,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from llm_proxy.wire.policies import Condition

#: Failures that another server may not have. 500 reaches us as 502 (``providers.common.errors``).
_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
#: With these an upstream may say how long it wants to be left alone, and is if it does not.
_SLEEPS = frozenset({429, 503, 529})
_CONTENT = frozenset({"content_filter", "content_policy_violation", "content_blocked", "moderation_blocked"})
_CONTEXT = frozenset({"context_length_exceeded"})


class Outcome(NamedTuple):
    """``hide``: another upstream may be asked instead, before the client has seen a byte. ``same``: this one too, later.

    ``failure``: the upstream is at fault, which counts for its ejection; ``server``: whatever the model. ``answered``: it
    is well, whatever it said. ``refused``: it
    does not take our key. ``misnamed``: it does not know the model, which the operator must hear. ``sleep``: it is to be
    left alone for so many seconds, 0.0: for a while, None: not. ``condition``: the kind of ``fallbacks`` that may answer.
    """

    hide: bool = False
    same: bool = False
    condition: Condition | None = None
    failure: bool = False
    server: bool = False
    refused: bool = False
    misnamed: bool = False
    sleep: float | None = None
    #: Whether it sleeps because it said that we ask too much.
    limited: bool = False
    answered: bool = False


#: An answer that was complete; a client that left, or another attempt that was faster.
SERVED = Outcome()
LEFT = Outcome()


def judge(error: GatewayError) -> Outcome:
    """What follows from an attempt that has ended with ``error``."""
    if isinstance(error, UpstreamAuth):
        return Outcome(hide=True, condition="auth", refused=True)
    if isinstance(error, RateLimited):
        return Outcome(
            hide=True, same=True, condition="rate_limit", sleep=error.wait or 0.0, limited=True, answered=True
        )
    if isinstance(error, UpstreamUnreachable):
        return _unreachable(error)
    if isinstance(error, UpstreamTimeout):
        # The request's own time is over: nobody may be asked any more, and a long answer is no failure of its server.
        if error.code == "timeout_total":
            return Outcome()
        return Outcome(True, True, "unavailable", True, server=error.code == "timeout_connect")
    if isinstance(error, UpstreamRefused):
        return _refused(error)
    if isinstance(error, UpstreamError):
        return _failed(error)
    if isinstance(error, NoUpstream):
        return Outcome(hide=True, condition="unavailable")
    return Outcome()


def _unreachable(error: UpstreamUnreachable) -> Outcome:
    """No connection, or one that died without an answer."""
    connecting = error.phase in ("resolve", "connect", "tls")
    lasting = error.phase == "tls" or error.kind == "protocol"
    return Outcome(True, not lasting, "unavailable", True, server=connecting)


def _refused(error: UpstreamRefused) -> Outcome:
    if error.code in _CONTEXT:
        return Outcome(condition="context_length", answered=True)
    if error.code in _CONTENT:
        return Outcome(condition="content_filter", answered=True)
    if error.status in _STATUSES:
        return Outcome(hide=True, same=True, condition="unavailable", answered=True)
    if error.status == 404:
        return Outcome(hide=True, condition="unavailable", misnamed=True, answered=True)
    return Outcome(answered=True)


def _failed(error: UpstreamError) -> Outcome:
    """It failed, or broke its own protocol."""
    if error.kind == "redirect":
        return Outcome()
    if error.kind == "5xx" and error.status not in _STATUSES:
        return Outcome(condition="unavailable", failure=True)
    sleep = (error.wait or 0.0) if error.status in _SLEEPS else None
    return Outcome(True, True, "unavailable", True, sleep=sleep)
