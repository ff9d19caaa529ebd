"""A request in a dialect that its upstream speaks too is not translated: it is sent on, and the answer relayed.

One rule for all faces: the endpoint names its call by the path of its API; if the provider of the chosen deployment has
that call, it is made natively. An upstream that turns out to have no such endpoint is asked in the canonical dialect
instead, and not tried again for a while (``llm_proxy.routing.lacking``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel

from handlers.base.answering import AnsweringHandler
from handlers.base.prepared import Prepared
from llm_proxy.errors import GatewayError, InvalidRequest, UpstreamError
from llm_proxy.faces.face import Face
from llm_proxy.faces.native import NativeFace
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.judging import M, validated
from providers.base import NativeCall


class NativeFirstHandler(AnsweringHandler):
    """Base of the endpoints of a face that some upstreams speak themselves."""

    #: The path of the call in the dialect's own API.
    native_path: ClassVar[str] = ""
    #: Headers (in lower case) and parameters of the query that belong to the dialect.
    native_headers: ClassVar[tuple[str, ...]] = ()
    native_query: ClassVar[tuple[str, ...]] = ()

    async def judged(self, body: Mapping[str, Any], least: type[M], whole: type[BaseModel]) -> M:
        """``body`` as far as any upstream needs it to be sound: one of the same dialect judges the rest itself. Raises
        ``InvalidRequest`` with the first problems and how many more there are, those of the ``whole`` form too."""
        try:
            return await self.beside(validated, least, body)
        except InvalidRequest:
            await self.beside(validated, whole, body)
            raise

    def native_call(self, deployment: Deployment) -> NativeCall | None:
        """The call, if that upstream has it itself."""
        call = self.snapshot.adapter(deployment).native(self.native_path)
        if call is None or not call.serves(deployment):
            return None
        return None if self.gateway.lacking.has(deployment, self.native_path) else call.at(deployment)

    def relay_face(self, own: Face) -> NativeFace:
        """The face of an answer that is relayed; ``own`` writes what nobody but the gateway can say."""
        return NativeFace(own)

    def natively(
        self,
        call: NativeCall,
        body: Mapping[str, Any],
        stream: bool,
        face: Face,
        untranslated: tuple[str, ...] = (),
        instead: Callable[[], Awaitable[Prepared]] | None = None,
    ) -> Prepared:
        """``body`` as it is, by ``call``. ``face`` writes what nobody but the gateway can say; ``instead``: see
        ``Prepared``."""
        headers = self.request.headers
        sent = {name: headers[name] for name in self.native_headers if name in headers}
        query = urlencode([(k, v) for k, v in parse_qsl(self.request.query) if k in self.native_query])
        request = NativeRequest(body, stream, sent, query)
        return Prepared(request, self.relay_face(face), untranslated, call, instead=instead)

    async def another(
        self, prepared: Prepared, deployment: Deployment, error: GatewayError
    ) -> Prepared | None:
        if prepared.instead is None or not _no_such_endpoint(error):
            return await super().another(prepared, deployment, error)
        self.gateway.lacking.note(deployment, self.native_path)
        return await prepared.instead()


def _no_such_endpoint(error: GatewayError) -> bool:
    """Whether it is the path that is unknown, and not the model."""
    if not isinstance(error, UpstreamError) or error.phase != "head" or error.status not in (404, 405, 501):
        return False
    return error.code != "model_not_found" and error.param != "model"
