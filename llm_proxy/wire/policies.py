"""What the configuration says of a public name as a whole, however many upstreams serve it. Values only.

Laws: everything here is frozen and compared by content; what nobody has said has the value that the documentation names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: When another model may answer: nothing could be tried or all failed before the first token; every upstream asked for
#: fewer requests; the request is too long for the model; it was refused for what it says; our own key was refused.
Condition = Literal["unavailable", "rate_limit", "context_length", "content_filter", "auth"]
CONDITIONS: tuple[Condition, ...] = ("unavailable", "rate_limit", "context_length", "content_filter", "auth")
DEFAULT_CONDITIONS: frozenset[Condition] = frozenset({"unavailable", "rate_limit"})


@dataclass(frozen=True, slots=True)
class DeploymentLimits:
    """What the vendor grants us at one upstream: requests and tokens a minute. None: no limit that we know."""

    rpm: int | None = None
    tpm: int | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another public name that answers when this one cannot, and when."""

    model: str
    on: frozenset[Condition] = DEFAULT_CONDITIONS


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How many requests may wait for an upstream, and how long, in seconds."""

    size: int = 256
    wait: float = 30.0


@dataclass(frozen=True, slots=True)
class Hedge:
    """After how long another upstream is asked too, in seconds or by what is usual; which share of the requests at most."""

    after: float | Literal["p95"]
    max_share: float = 0.05


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """The policy of one public name. ``retries`` is None where nobody has said: 2 with several upstreams, else 0."""

    policy: Literal["balanced", "weighted"] = "balanced"
    retries: int | None = None
    fallbacks: tuple[Fallback, ...] = ()
    queue: QueuePolicy | None = QueuePolicy()
    affinity: Literal["auto", "session", "off"] = "auto"
    hedge: Hedge | None = None
    on_break: Literal["cut", "continue"] = "cut"


DEFAULT_POLICY = ModelPolicy()
