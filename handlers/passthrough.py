"""``/passthrough``: a request sent to a configured upstream as it is, and its answer relayed untouched.

Laws: scheme, host and port come from the configuration only; the caller's path is validated raw, byte by byte, and
appended to the provider's base; redirects are never followed; hop-by-hop headers and the caller's own credentials
are dropped both ways and the provider's are added. Once the answer has begun, a failure can only be a cut: bytes
that the upstream did not send have no place in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from pydantic import ConfigDict
from tornado.web import HTTPError

from handlers.base.relaying import LEGAL_VALUE, RelayingHandler
from llm_proxy.clients.request_reader import MAX_HEAD, MAX_HEADERS
from llm_proxy.clients.target import after
from llm_proxy.errors import (
    ClientGone,
    GatewayError,
    InvalidRequest,
    NotAllowed,
    NotFound,
    Problem,
    RequestError,
)
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.live.access.secrets import PREFIX as KEY_PREFIX
from llm_proxy.relay.clock import Clock
from llm_proxy.relay.upstream import Head
from llm_proxy.routing.choice import unknown_model
from llm_proxy.routing.outcomes import SERVED, Outcome, judge
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.schema import Open, validated

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: RFC 9110, 7.6.1.
_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer trailers "
    "transfer-encoding upgrade".split()
)
#: What identifies the caller or its network to us, and must not reach a third party.
_CALLERS_OWN = frozenset(
    "host content-length authorization x-api-key api-key x-goog-api-key cookie forwarded via x-real-ip expect origin referer "
    "http2-settings x-request-id traceparent tracestate".split()
)
#: What describes the upstream's own connection or host to somebody who never talks to it.
_UPSTREAMS_OWN = frozenset("set-cookie server alt-svc strict-transport-security date".split())

#: Statuses that tell of the upstream itself, whatever was asked.
_TELLING = frozenset({429, 500, 502, 503, 504, 529})
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")
#: RFC 3986 path and query characters; everything else must come percent-encoded.
_TARGET = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*(\?[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]|]*)?")
#: Segments that mean "here" or "above", parameters behind them or not; and what no segment may hold.
_DOTS = re.compile(r"(?:^|[/\\])\.\.?(?=[/\\;]|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
#: How long a path with its query may be (nginx takes 8 KiB, Apache too, Go's server 1 MiB); headers are bounded as in front.
MAX_TARGET = 16 * 1024
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class PassthroughRequest(Open):
    """The JSON form. ``body`` is sent as JSON unless it is a string, which is sent as it is."""

    model_config = ConfigDict(extra="forbid")

    path: str
    model: str | None = None
    provider: str | None = None
    method: str | None = None
    headers: dict[str, str] = {}
    body: Any = None


class PassthroughHandler(RelayingHandler):
    """Shared by both forms: the call and the untouched answer."""

    limits = ()  # every header of the upstream's is relayed
    blind = True
    dialect = "passthrough"
    endpoint = "/passthrough"
    face: OpenAIFace

    def prepare(self) -> None:
        super().prepare()
        if not (self.answered or self._cut or self.gone):
            try:
                self._check_grant()
            except NotAllowed as error:
                self.refuse(error)

    def _check_grant(self) -> None:
        """Raises ``NotAllowed``: not every key may pass."""
        if self.grant is not None and not self.grant.may_pass:
            error = NotAllowed('this endpoint is for keys with "passthrough"')
            self.gateway.gate.refused(self.grant.name, error)
            raise error

    async def post(self) -> None:
        form = await self.beside(validated, PassthroughRequest, await self.json_body())
        deployment = self._deployment(form)
        method = (form.method or ("POST" if form.body is not None else "GET")).upper()
        if method not in _METHODS:
            raise InvalidRequest.of([Problem("method", f"must be one of {', '.join(sorted(_METHODS))}")])
        check_target(form.path, "path")
        headers = list(form.headers.items())
        check_headers(headers)
        body = None
        if form.body is not None:
            body = await self._written(form.body)
            if not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", "application/json"))
        await self.relay(deployment, method, form.path, headers, body)

    async def _written(self, body: Any) -> bytes:
        """The body of the JSON form as it is sent; a large one is written beside the loop."""
        if isinstance(body, str):
            return body.encode()
        return await self.beside(encoded, body)

    def _deployment(self, form: PassthroughRequest) -> Deployment:
        if (form.model is None) == (form.provider is None):
            raise InvalidRequest.of([Problem("model", "give either model or provider, and not both")])
        if form.model is not None:
            return self.deployment(form.model)
        return self.provider(str(form.provider))

    def provider(self, name: str) -> Deployment:
        """The upstream that a provider's ``defaults`` name. Raises ``NotFound`` or ``InvalidRequest``."""
        known = self.snapshot.config.providers
        if name not in known:
            error = unknown_model(name, known)
            message = error.message.replace("the model", "the provider", 1)
            raise NotFound(message, code="provider_not_found", param="provider")
        deployment = known[name]
        if deployment is None:
            text = "has models at different hosts and no defaults; name a model instead"
            raise InvalidRequest.of([Problem("provider", text)])
        return deployment

    async def relay(
        self,
        deployment: Deployment,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str]],
        body: bytes | None,
    ) -> None:
        """Send and relay. ``target`` has been checked."""
        self._check_grant()
        own = self.snapshot.adapter(deployment).auth_headers(deployment)
        taken = {name.lower() for name, _ in own}
        kept = [pair for pair in forwarded(headers) if pair[0].lower() not in taken]
        if self.grant is not None:
            if KEY_PREFIX in target:
                raise InvalidRequest.of([Problem("path", "must not hold a key of this gateway")])
            kept = [(name, value) for name, value in kept if KEY_PREFIX not in value]
        made = HttpCall(
            method,
            deployment.api_host + target,
            (*kept, *own),
            body,
            deployment.timeouts,
            stream=False,
            once=True,
        )
        self.facts.update(provider=deployment.provider, model=deployment.name or None)

        async def make(_: Deployment) -> HttpCall:
            return made

        await self.relay_from(deployment, make)

    async def relay_call(self, call: HttpCall, deployment: Deployment) -> None:
        """One attempt, by which the upstream's state is as well informed as by any other. Raises ``GatewayError``."""
        router = self.gateway.router
        running = router.states.begin(self._counted_for(deployment), self.now())
        if running is None:  # as many are there as may be; but this is asked of nobody else
            await super().relay_call(call, deployment)
            return
        try:
            await super().relay_call(call, deployment)
            router.note(deployment, running.ended(self.now(), self._outcome(deployment)))
        except GatewayError as error:
            if not isinstance(error, ClientGone):
                router.note(deployment, running.ended(self.now(), judge(error)))
            raise
        finally:
            running.left(self.now())
            router.freed(self.now())

    def _counted_for(self, deployment: Deployment) -> Deployment:
        """Whose state is informed: where a provider was named, and no model, the first of its upstreams that is in use."""
        if deployment.name:
            return deployment
        rows = self.snapshot.config.deployments
        return next((row for row in rows if row.active and row.provider == deployment.provider), deployment)

    def _outcome(self, deployment: Deployment) -> Outcome:
        """What an answer that was relayed says of its upstream: who fails there fails everywhere. What a path that only the
        client knows was refused with says nothing."""
        head = self.exchange.head if self.exchange is not None else None
        if head is None or head.status not in _TELLING:
            return SERVED
        return judge(self.snapshot.adapter(deployment).error(head.status, head.headers, b""))

    async def take_head(self, head: Head, clock: Clock, deployment: Deployment) -> None:
        status = head.status
        self.set_status(status)  # with our own words for it: the upstream's reason is unchecked text
        self.clear_header("Content-Type")
        kept = returned(head.pairs)
        for name, value in kept:
            self.add_header(name, value)
        if exposed := self.answer_headers.get("Access-Control-Expose-Headers"):
            names = dict.fromkeys(name for name, _ in kept)
            self.set_header("Access-Control-Expose-Headers", ", ".join([exposed, *names]))
        if status == 204:
            # RFC 9110, section 8.6, forbids a length there, and Tornado would look for the body.
            self.clear_header("Content-Length")
        self.set_header("X-LLM-Provider", deployment.provider)
        self.expect_length(status)


class RawPassthroughHandler(PassthroughHandler):
    """``/passthrough/<provider>/<path>``: method, query and body bytes as they came."""

    endpoint = "/passthrough/"
    unpacks = False

    async def post(self, *_: str) -> None:
        segments = 1 + sum(map(bool, self.gateway.settings.ep_prefix.split("/")))
        # The raw request target: path groups of the router are percent-decoded, and with them every check is void.
        name, slash, rest = after(self.request.uri, segments).partition("/")
        if not slash:
            raise HTTPError(404)
        target = "/" + rest
        check_target(target, "path")
        headers = [(name, value) for name, value in self.request.headers.get_all()]
        self.facts["dropped_headers"] = [name for name, _ in headers if "_" in name] or None
        body = self.body()
        method = str(self.request.method)
        has_body = bool(body) or "Content-Length" in self.request.headers
        await self.relay(
            self.provider(unquote(name)),
            method,
            target,
            headers,
            body if has_body else None,
        )

    get = head = put = patch = delete = options = post


def check_target(target: str, path: str) -> None:
    """A path with an optional query that cannot mean another host or leave the base. Raises ``RequestError``."""
    if len(target) > MAX_TARGET:
        text = f"{path}: must not be longer than {MAX_TARGET} characters"
        raise RequestError(text, status=414, code="uri_too_long", param=path)
    problem = ""
    if not target.startswith("/") or target.startswith("//"):
        problem = "must begin with exactly one '/'"
    elif not _TARGET.fullmatch(target):
        problem = "has characters that must be percent-encoded (or a fragment)"
    elif _PERCENT.search(target):
        problem = "has a '%' without two hexadecimal digits"
    else:
        plain = target.partition("?")[0]
        for _ in range(3):  # encoded once, twice, thrice: some servers decode more than once
            if _DOTS.search(plain):
                problem = "must not contain '.' or '..' segments, encoded or not"
            elif _CONTROL.search(plain):
                problem = "must not contain control characters or backslashes, encoded or not"
            elif "//" in plain:
                problem = "must not contain '//', encoded or not"
            plain = unquote(plain, errors="replace")
    if problem:
        raise InvalidRequest.of([Problem(path, problem)])


def check_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Names and values that are legal on the wire, and not more of them than in a request's own head. Raises
    ``RequestError``."""
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
        text = f"headers: must be at most {MAX_HEADERS}, of {MAX_HEAD} bytes together"
        raise RequestError(text, status=431, code="headers_too_large", param="headers")
    for name, value in headers:
        if _NAME.fullmatch(name.replace("_", "-")) and "_" in name:
            text = (
                "a name has an underscore, which is not sent on: there are servers that take it for a hyphen"
            )
            raise InvalidRequest.of([Problem("headers", text)])
        if not _NAME.fullmatch(name) or not LEGAL_VALUE.fullmatch(value):
            text = "a header has a name or value that HTTP does not allow"
            raise InvalidRequest.of([Problem("headers", text)])


def forwarded(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The caller's headers that an upstream may see."""
    pairs = list(headers)
    never = _HOP_BY_HOP | _CALLERS_OWN | _named_in_connection(pairs)
    return [
        (name, value)
        for name, value in pairs
        if (low := name.lower()) not in never
        and not low.startswith(("proxy-", "x-forwarded-", "sec-"))
        and "_" not in name  # servers that map '-' and '_' to the same variable would be fooled
        and _NAME.fullmatch(name)
        and LEGAL_VALUE.fullmatch(value)
    ]


def returned(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The upstream's headers that a caller may see."""
    pairs = list(pairs)
    never = _HOP_BY_HOP | _UPSTREAMS_OWN | _named_in_connection(pairs)
    return [
        (name, value)
        for name, value in pairs
        if (low := name.lower()) not in never
        and not low.startswith(("proxy-", "access-control-"))
        and low not in ("x-request-id", "x-trace-id", "x-config-generation", "location")
        and _NAME.fullmatch(name.replace("_", "-"))
        and LEGAL_VALUE.fullmatch(value)
    ]


def _named_in_connection(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    values = [value for name, value in pairs if name.lower() == "connection"]
    return frozenset(token.strip().lower() for value in values for token in value.split(","))


routes: list[tuple[str, Any]] = [
    ("/passthrough", PassthroughHandler),
    (r"/passthrough/.*", RawPassthroughHandler),
]
