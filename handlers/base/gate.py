"""Who may ask: what a handler does about keys, in one place.

Laws: a handler calls this only where the configuration has keys at all; without them a request pays for one comparison.
The key is judged from the head, before a body is read; which models there are is what the key may see. The first use and
the first refusal of each key are told in the log, by its name. What the rules are stands in ``llm_proxy.live.access``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import time
from typing import Literal

from llm_proxy.errors import GatewayError, KeyRefused, NotAllowed
from llm_proxy.live.access.identity import identify, presented, usual
from llm_proxy.live.access.values import Access, Grant
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.wire.calls import Deployment

log = logging.getLogger("llm_proxy.audit")

#: What an endpoint asks for: nothing, any key, or one that may look behind the counter.
Needs = Literal["nothing", "key", "admin"]

Models = Mapping[str, tuple[Deployment, ...]]
#: How many different lists of models are kept ready.
_VIEWS = 256


class Gate:
    """One for each process."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._refused: set[str] = set()
        self._views: dict[object, Models] = {}
        self._viewed: Snapshot | None = None

    def admit(self, access: Access, headers: Mapping[str, str], needs: Needs, endpoint: str) -> Grant:
        """Who asks. Raises ``KeyRefused``, ``InvalidRequest``, or ``NotAllowed``."""
        now = time()
        grant = usual(access, headers, now)
        if grant is not None and needs == "key" and grant.name in self._used:
            return grant  # nearly always
        if grant is None:
            try:
                grant = identify(access, presented(headers), now)
            except KeyRefused as error:
                if error.name:
                    self.refused(error.name, error)
                raise
        if needs == "admin" and not grant.terms.admin:
            forbidden = NotAllowed('this endpoint is for keys with "admin"')
            forbidden.name = grant.name
            self.refused(grant.name, forbidden)
            raise forbidden
        if grant.name not in self._used:
            self._used.add(grant.name)
            facts = {"key": grant.name, "team": grant.team_name, "endpoint": endpoint}
            log.info("first use of a key", extra=facts)
        return grant

    def refused(self, name: str, error: GatewayError) -> None:
        """The holder of that key was refused."""
        if name not in self._refused:
            self._refused.add(name)
            log.warning("first refusal of a key", extra={"key": name, "code": error.code})

    def forget(self) -> None:
        """The files have changed: what is new under an old name is told anew."""
        self._used.clear()
        self._refused.clear()

    def models(self, snapshot: Snapshot, grant: Grant) -> Models:
        """The models that this key may see."""
        fits = grant.fits
        if fits is None:
            return snapshot.models
        if self._viewed is not snapshot or len(self._views) > _VIEWS:
            self._views, self._viewed = {}, snapshot
        which = grant.terms.models, grant.team.models
        if (found := self._views.get(which)) is None:
            found = {name: rows for name, rows in snapshot.models.items() if _fits(fits, name, snapshot)}
            self._views[which] = found
        return found


def _fits(fits: Callable[[str], bool], name: str, snapshot: Snapshot) -> bool:
    """Whether the name itself fits, or the one that it is an alias of."""
    if fits(name):
        return True
    resolved = snapshot.catalog.resolve(name)
    return resolved is not None and fits(resolved.name)
