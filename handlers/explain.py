"""``POST /explain``: what would become of a request now. Nothing is sent.

The endpoint that serves ``path`` reads the request itself (``handlers.base.explaining``), so that what is shown is what would be
sent; ``llm_proxy.routing.outlook`` says where to. Keys are ``***``, addresses are not shown.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from handlers.base.explaining import Explaining, explaining
from handlers.base.handler import BaseHandler
from handlers.base.prepared import Own, Prepared
from handlers.base.shown_call import shown_call
from llm_proxy.clients.application import GatewayApplication
from llm_proxy.clients.headers import RequestHeaders
from llm_proxy.clients.tornado_internals import implements
from llm_proxy.errors import InvalidRequest, NotFound, Problem, RequestError
from llm_proxy.live.access import vendor_prices
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.first_attempt import Wish
from llm_proxy.routing.able import Able, Needs, needs_of
from llm_proxy.routing.estimate import likely_tokens
from llm_proxy.routing.outlook import Asked, Outlook, outlook
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import validated
from llm_proxy.wire.sse import dumps

#: RFC 9110, section 5.6.2.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


class ExplainRequest(BaseModel):
    """``POST /explain``."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=8192)
    headers: dict[str, str] = {}
    body: dict[str, Any]


class ExplainHandler(BaseHandler):
    """See the module."""

    endpoint = "/explain"

    async def post(self) -> None:
        body = await self.json_body()
        form = await self.beside(validated, ExplainRequest, body)
        inner, arguments = self._endpoint(form)
        await cast(Any, inner).post(*arguments)
        if (inner.prepared_by is None and inner.relayed_by is None) or inner.meant is None:
            raise _no_endpoint()
        self.facts["model"] = inner.meant.asked[:200]
        needs = await self.beside(needs_of, form.body)
        await self.offloaded(1, vendor_prices.prepare)  # their data are read once, which takes a while
        told = await self._told(inner, inner.meant, needs, form.body)
        self.set_header("Cache-Control", "no-store")
        self.finish(await self.beside(dumps, told))

    def _endpoint(self, form: ExplainRequest) -> tuple[Explaining, list[str]]:
        """The endpoint that would serve the request. Raises ``NotFound`` or ``InvalidRequest``."""
        path_and_query = form.path
        path, _, query = path_and_query.partition("?")
        wrong = [name for name in form.headers if not _NAME.fullmatch(name)]
        if wrong or not path.startswith("/"):
            problem = Problem("headers", "must have names that HTTP allows") if wrong else _PATH
            raise InvalidRequest.of([problem])
        request = copy.copy(self.request)
        request.__dict__.pop("query_arguments", None)
        given = {"Content-Type": "application/json", **form.headers}
        request.method, request.query, request.path_asked = "POST", query, path
        request.headers = RequestHeaders(list(given.items()))
        application = cast(GatewayApplication, self.application)
        # Without the prefix it is as plain what is meant.
        for request.path in (path, self.gateway.settings.ep_prefix + path):
            request.uri = request.path + path_and_query[len(path) :]
            endpoint, arguments, found = application.serving(request)
            kind = explaining(endpoint)  # type: ignore[arg-type]  # Tornado's classes can be hashed like any
            if kind is not None and implements(endpoint, "POST"):
                break
        else:
            raise _no_endpoint()
        inner = kind(application, request, **arguments)
        inner.whole = True
        # The client is ours: what it does concerns this request, and its key is the one that counts.
        self.connection.set_close_callback(self.on_connection_close)
        inner.snapshot, inner.grant, inner.request_id = self.snapshot, self.grant, self.request_id
        data = dumps(form.body)
        inner._chunks, inner._size = [data], len(data)
        return inner, [inner.decode_argument(part) for part in found]

    async def _told(
        self, inner: Explaining, resolved: Resolved, needs: Needs, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What would become of the request ``body``."""
        unfit: dict[str, str] = {}
        while True:
            found = self._outlook(inner, resolved, needs, unfit)
            told: dict[str, Any] = {
                "model": resolved.asked,
                "resolved": found.resolved.name,
                "candidates": [row._asdict() for row in found.candidates],
                "waits": found.waits,
                "call": None,
                "dropped": [],
                "prompt": None,
                "relay": None,
            }
            if found.error is not None:
                raise found.error
            try:
                if found.chosen is not None:
                    told |= await self._call(inner, found.chosen)
                tokens = await self.beside(likely_tokens, _sent(told["call"], body))
                return told | {"estimate": {"input_tokens": tokens, "usd": self._price(found.chosen, tokens)}}
            except RequestError as error:
                if inner.only is not None or found.chosen is None or found.chosen.api_type in unfit:
                    raise
                unfit[found.chosen.api_type] = "its dialect cannot express the request"
                if all(row.api_type in unfit for row in found.resolved.deployments):
                    raise error from None

    def _outlook(
        self, inner: Explaining, resolved: Resolved, needs: Needs, unfit: Mapping[str, str]
    ) -> Outlook:
        wish = inner.wanted or Wish()
        able = None if inner.only is not None or wish.about is None else Able(needs, wish.about)
        asked = Asked(able, wish.able, inner.only or wish.first, wish.prompt, wish.tokens)
        router = self.gateway.router
        return outlook(resolved, asked, self.look_up, router.states, self.now(), router.chance, unfit)

    async def _call(self, inner: Explaining, deployment: Deployment) -> dict[str, Any]:
        """What would be sent to ``deployment``. Raises ``RequestError``."""
        if inner.relayed_by is not None:
            call = await inner.relayed_by(deployment)
            shown = await self.beside(shown_call, call, deployment)
            return {"call": shown, "dropped": inner.facts.get("dropped") or [], "relay": "bytes"}
        assert inner.prepared_by is not None
        prepared = await inner.prepared_by(deployment)
        if isinstance(prepared, Own):
            return {}  # it needs no upstream
        assert isinstance(prepared, Prepared)
        call, dropped, relay = await inner.would_send(prepared, deployment)
        prompt = prepared.prompt
        return {
            "call": await self.beside(shown_call, call, deployment),
            "dropped": list(dropped),
            "prompt": None if prompt is None else {"ref": prompt.ref, "language": prompt.language},
            "relay": relay,
        }

    def _price(self, chosen: Deployment | None, tokens: int | None) -> float | None:
        """What the request's own tokens cost, if they are known, and the configuration says what they cost."""
        access = self.snapshot.access
        if chosen is None or tokens is None:
            return None
        own = access.prices.get(chosen.name) if access is not None else None
        price = own or vendor_prices.price_of(chosen)
        return None if price is None else round(tokens * price.input / 1e6, 9)


def _sent(call: Mapping[str, Any] | None, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What would be sent, if that is known; else the request as it came."""
    if call is None:
        return body
    return call["body"] if isinstance(call["body"], Mapping) else {}


_PATH = Problem("path", 'must be a path of this gateway, such as "/v1/chat/completions"')


def _no_endpoint() -> RequestError:
    return NotFound("nothing at this path asks a model; GET /docs lists all paths", param="path")


routes: list[tuple[str, Any]] = [("/explain", ExplainHandler)]
