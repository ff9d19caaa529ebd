"""A request in a dialect that its upstream speaks too is not translated: it is sent on, and the answer relayed.

One rule for all faces: the endpoint names its call by the path of its API; if the provider of the chosen deployment has
that call, it is made natively. The answer names the model as the upstream does, on every face.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel

from handlers.base.answering import AnsweringHandler
from llm_proxy.errors import InvalidRequest
from llm_proxy.faces.native import NativeFace
from llm_proxy.wire.calls import Deployment, NativeRequest
from llm_proxy.wire.schema import M, validated
from providers.base import NativeCall


class NativeFirstHandler(AnsweringHandler):
    """Base of the endpoints of a face that some upstreams speak themselves; set ``face`` before you ask it."""

    #: The path of the call in the dialect's own API.
    native_path: ClassVar[str] = ""
    #: Headers (in lower case) and parameters of the query that belong to the dialect.
    native_headers: ClassVar[tuple[str, ...]] = ()
    native_query: ClassVar[tuple[str, ...]] = ()

    def judged(self, body: Mapping[str, Any], least: type[M], whole: type[BaseModel]) -> M:
        """``body`` as far as any upstream needs it to be sound: one of the same dialect judges the rest itself. Raises
        ``InvalidRequest`` with every problem, those of the ``whole`` form too."""
        try:
            return validated(least, body)
        except InvalidRequest:
            validated(whole, body)
            raise

    def native_call(self, deployment: Deployment) -> NativeCall | None:
        """The call, if that upstream has it itself."""
        return self.snapshot.adapter(deployment).native(self.native_path)

    async def answer_natively(
        self, call: NativeCall, body: Mapping[str, Any], stream: bool, deployment: Deployment
    ) -> None:
        """Answer ``body`` as it is and finish."""
        headers = self.request.headers
        sent = {name: headers[name] for name in self.native_headers if name in headers}
        query = urlencode([(k, v) for k, v in parse_qsl(self.request.query) if k in self.native_query])
        self.face = NativeFace(self.face)
        await self.answer(NativeRequest(body, stream, sent, query), deployment, native=call)
