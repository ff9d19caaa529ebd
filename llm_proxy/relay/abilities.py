"""What is known of the models behind deployments, ready for each request that has a choice.

Laws: nobody is asked for it; what ``Knowledge`` has heard is looked at again every few seconds, for each deployment, and bounded.
One ``Abilities`` for each process.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.model_knowledge import Knowledge
from llm_proxy.routing.able import is_bounded
from llm_proxy.wire.calls import Deployment
from providers.base import BaseProvider
from providers.common.about import About

#: Seconds that a look is good for, and how many are kept.
_FRESH, _MOST = 5.0, 1000


class _Known(NamedTuple):
    deployment: Deployment
    about: About
    until: float


class _Verdict(NamedTuple):
    deployments: tuple[Deployment, ...]
    bounded: bool
    until: float


class Abilities:
    """See the module."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._known: dict[str, _Known] = {}
        self._verdicts: dict[str, _Verdict] = {}

    def bounded(self, resolved: Resolved, adapter: Callable[[Deployment], BaseProvider]) -> bool:
        """Whether any of a model's upstreams is known not to be able to take just any request. Each request asks."""
        now, rows, way = monotonic(), resolved.deployments, resolved.way
        found = self._verdicts.get(way)
        if found is None or found.deployments is not rows or now >= found.until:
            if len(self._verdicts) >= _MOST:
                del self._verdicts[next(iter(self._verdicts))]
            bounded = any(is_bounded(row, self.of(row, adapter(row))) for row in rows)
            found = self._verdicts[way] = _Verdict(rows, bounded, now + _FRESH)
        return found.bounded

    def of(self, deployment: Deployment, adapter: BaseProvider) -> About:
        """What is known of its model."""
        key, now = deployment.upstream_key, monotonic()
        found = self._known.get(key)
        if found is None or found.deployment is not deployment or now >= found.until:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            about = self._knowledge.known(deployment, adapter)
            found = self._known[key] = _Known(deployment, about, now + _FRESH)
        return found.about
