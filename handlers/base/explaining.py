"""An endpoint that is asked what it would do: it reads the request as ever, and stops where an upstream would be asked.

Laws: nothing is sent, to an upstream or to the client, and nothing is counted. The endpoint's own class does the reading: what
is mixed in here only keeps what it would have answered by.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

from handlers.base.answering import AnsweringHandler
from handlers.base.prepared import Prepare, Prepared
from handlers.base.redaction import without_addresses
from handlers.base.routed import wanted_prompt
from llm_proxy.live.config.catalog import Resolved
from llm_proxy.relay.attempts import Attempts
from llm_proxy.relay.first_attempt import Wish
from llm_proxy.wire.calls import NOTHING, Deployment, HttpCall
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest


class Explaining(AnsweringHandler):
    """Mixed in before an endpoint's class. ``prepared_by`` is None as long as nobody would have been asked."""

    meant: Resolved | None = None
    wanted: Wish | None = None
    prepared_by: Prepare | None = None
    #: The call that would be relayed, of an endpoint that reads neither request nor answer.
    relayed_by: Callable[[Deployment], Awaitable[HttpCall]] | None = None
    #: Whom alone it may go to.
    only: Deployment | None = None

    def look_up(self, model: str) -> Resolved | None:
        found = super().look_up(model)
        self.meant = self.meant or found
        return found

    def attempts(  # type: ignore[override]  # what it gives is only handed to ``answer``
        self,
        resolved: Resolved,
        body: Mapping[str, Any] = NOTHING,
        *,
        stream: bool = False,
        able: Callable[[Deployment], bool] | None = None,
        first: Deployment | None = None,
    ) -> None:
        self.meant = resolved
        self.wanted = self.wish(
            body, able, first, wanted_prompt(resolved, self.request.headers, body, self._size)
        )  # nobody is asked for it what his model can

    async def answer(
        self, where: Deployment | Attempts | None, prepare: Prepare, talk: ChatRequest | None = None
    ) -> None:
        self.prepared_by = prepare
        self.only = where if isinstance(where, Deployment) else None

    async def relay_from(
        self, where: Deployment | Attempts | None, make: Callable[[Deployment], Awaitable[HttpCall]]
    ) -> None:
        """As a ``RelayingHandler`` does."""
        self.relayed_by = make
        self.only = where if isinstance(where, Deployment) else None
        if self.meant is None and self.only is not None:  # a provider was named, and no model
            self.meant = Resolved(self.only.provider, self.only.provider, (self.only,), pinned=True)

    async def would_send(
        self, prepared: Prepared, deployment: Deployment
    ) -> tuple[HttpCall, tuple[str, ...], str]:
        """The call that would be made, what is lost on the way, and how the answer would be relayed. Raises
        ``RequestError``."""
        if type(prepared.request) is EmbeddingsRequest:  # as ``_embed`` does; a test compares
            request, removed = await self.beside(without_addresses, prepared.request)
            call = await self.beside(self.snapshot.adapter(deployment).embeddings_call, request, deployment)
            return call, (*prepared.untranslated, *call.dropped, *removed), "bytes"
        made = await self.made(prepared, prepared.request, deployment)
        relayed = prepared.native is not None or (
            prepared.face.canonical and made.adapter.stream_decoder(made.request).canonical
        )
        return made.call, made.dropped, "bytes" if relayed else "events"

    def finish(self, chunk: Any = None) -> Any:
        raise AssertionError("an endpoint that only explains has answered")


@lru_cache(maxsize=100)
def explaining(endpoint: Hashable) -> type[Explaining] | None:
    """``endpoint`` as one that explains; None if it is none that asks an upstream for an answer."""
    if not isinstance(endpoint, type) or not issubclass(endpoint, AnsweringHandler):
        return None
    return type(f"Explaining{endpoint.__name__}", (Explaining, endpoint), {})
