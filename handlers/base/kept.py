"""What OpenAI keeps under an id of its own: files, responses, conversations. Relayed to the upstream that keeps them.

Laws: an id says nothing about where it is known, and the gateway remembers none: it would know only what one of its
processes has seen since it began. So a field ``model`` of the body, a query parameter ``model`` or a header ``X-Model`` may
name a model; of its deployments the first in use that can keep such things is asked, always the same one. Without a model
the one provider that can be meant is asked; with several a 400 says what to send. See ``handlers.base.media``.
"""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import unquote_plus

from handlers.base.media import MediaHandler
from llm_proxy.errors import RequestError
from llm_proxy.faces.media.body import MediaBody
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.upstream import Exchange
from llm_proxy.routing.choice import choose
from llm_proxy.wire.calls import Deployment

#: RFC 3986, section 3.4, and what browsers leave as it is.
_QUERY = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]|]*")
#: An id that cannot mean another path.
ID = "[A-Za-z0-9_-][A-Za-z0-9_.-]*"


class KeptHandler(MediaHandler):
    """Base of what is done with what is kept; ``root`` is the beginning of its paths."""

    root: ClassVar[str] = ""
    calls_a_model = False
    bills = False

    def one_of(self, resolved: Resolved, able: list[Deployment]) -> Deployment:
        found = next((row for row in able if row.weight > 0), None)
        return found if found is not None else choose(able, 0.0)  # which says that none is in use

    async def ask(self, method: str, body: MediaBody | None = None, *, told: bool = False) -> None:
        """Relay the request to where the thing is, or shall be. ``told``: the upstream wants to know the model too."""
        # The route's pattern has judged the path.
        target = self.request.path[self.request.path.rindex(self.root) + len("/v1") :]
        query, hint = without_model(self.request.query)
        model = (body.model if body is not None else None) or hint or self.request.headers.get("X-Model")
        target = f"{target}?{query}" if query else target
        await self.send_on(self.where(model or None), method, target, body, named=told and bool(model))

    async def _copy_body(self, exchange: Exchange, clock: Clock) -> None:
        if self.request.method != "HEAD":
            await super()._copy_body(exchange, clock)
        else:  # asked for with GET: few servers of this dialect know HEAD
            await self._taken(self.flush())


def without_model(query: str) -> tuple[str, str]:
    """``query`` without its parameter ``model``, and the value of that. Raises ``RequestError``."""
    if not _QUERY.fullmatch(query):
        raise RequestError("the query has characters that must be percent-encoded")
    kept: list[str] = []
    model = ""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "model":
            model = unquote_plus(value)
        else:
            kept.append(pair)
    return "&".join(kept), model
