"""Which upstreams turned out to have no such endpoint, although servers of their kind may have it: they are not asked anew
for each request.

Laws: an upstream is known by its identity, so that an edit that does not touch it changes nothing here; what is known is
bounded in number and forgotten after a while, because a server may be replaced by a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from llm_proxy.wire.calls import Deployment

_FORGOTTEN = 600.0
_MOST = 1000


class Lacking:
    """What one process knows; ``now`` in seconds."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._until: dict[tuple[str, str, str], float] = {}

    def note(self, deployment: Deployment, path: str) -> None:
        """That upstream has answered that it has no ``path``, when it was asked for the model."""
        key = _key(deployment, path)
        self._until.pop(key, None)  # the newest is the last
        self._until[key] = self._now() + _FORGOTTEN
        if len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def has(self, deployment: Deployment, path: str) -> bool:
        """Whether it has answered so lately."""
        return bool(self._until) and self._until.get(_key(deployment, path), 0.0) > self._now()


def _key(deployment: Deployment, path: str) -> tuple[str, str, str]:
    return deployment.identity, deployment.model, path
