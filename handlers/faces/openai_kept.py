"""What OpenAI's Responses API keeps, at an upstream that has it: responses by their ids, conversations; and what may be done
with a response before it is made. See ``handlers.base.kept``.
"""

from __future__ import annotations

from typing import Any

from handlers.base.kept import ID, KeptHandler
from llm_proxy.wire.calls import Deployment


class _Kept(KeptHandler):
    """Base of them; the subclasses say which methods there are."""

    no_model = (
        "is required, because several upstreams are configured that could keep it: name a model of the one that is "
        "meant, as a field of the body, as a query parameter or in the header X-Model"
    )
    what = "OpenAI's Responses API"
    root = "/v1/responses"

    def able(self, row: Deployment) -> bool:
        call = self.snapshot.adapter(row).native("/v1/responses")
        return call is not None and call.serves(row)

    async def get_it(self, *_: str) -> None:
        await self.ask("GET")

    async def delete_it(self, *_: str) -> None:
        await self.ask("DELETE")

    async def post_it(self, *_: str) -> None:
        await self.ask("POST", await self.media_body() if self._size else None)


class ResponseHandler(_Kept):
    """``GET`` and ``DELETE /v1/responses/<id>``; with ``stream=true`` its events."""

    endpoint = "/v1/responses/"
    get = head = _Kept.get_it
    delete = _Kept.delete_it


class InputItemsHandler(_Kept):
    """``GET /v1/responses/<id>/input_items``."""

    endpoint = "/v1/responses/input_items"
    get = head = _Kept.get_it


class CancelHandler(_Kept):
    """``POST /v1/responses/<id>/cancel``."""

    endpoint = "/v1/responses/cancel"
    post = _Kept.post_it


class InputTokensHandler(_Kept):
    """``POST /v1/responses/input_tokens``: how long a request would be."""

    endpoint = "/v1/responses/input_tokens"

    async def post(self) -> None:
        await self.ask("POST", await self.media_body(), told=True)


class CompactHandler(InputTokensHandler):
    """``POST /v1/responses/compact``: a conversation in fewer words."""

    endpoint = "/v1/responses/compact"
    calls_a_model = True
    bills = True


class ConversationsHandler(_Kept):
    """``POST /v1/conversations``."""

    endpoint = "/v1/conversations"
    root = "/v1/conversations"
    post = _Kept.post_it


class ConversationHandler(_Kept):
    """``/v1/conversations/<id>``."""

    endpoint = "/v1/conversations/"
    root = "/v1/conversations"
    get = head = _Kept.get_it
    post = _Kept.post_it
    delete = _Kept.delete_it


class ItemsHandler(_Kept):
    """``/v1/conversations/<id>/items``."""

    endpoint = "/v1/conversations/items"
    root = "/v1/conversations"
    get = head = _Kept.get_it
    post = _Kept.post_it


class ItemHandler(_Kept):
    """``/v1/conversations/<id>/items/<id>``."""

    endpoint = "/v1/conversations/items/"
    root = "/v1/conversations"
    get = head = _Kept.get_it
    delete = _Kept.delete_it


routes: list[tuple[str, Any]] = [
    ("/v1/responses/input_tokens", InputTokensHandler),
    ("/v1/responses/compact", CompactHandler),
    (f"/v1/responses/{ID}", ResponseHandler),
    (f"/v1/responses/{ID}/input_items", InputItemsHandler),
    (f"/v1/responses/{ID}/cancel", CancelHandler),
    ("/v1/conversations", ConversationsHandler),
    (f"/v1/conversations/{ID}", ConversationHandler),
    (f"/v1/conversations/{ID}/items", ItemsHandler),
    (f"/v1/conversations/{ID}/items/{ID}", ItemHandler),
]
root_routes: list[tuple[str, Any]] = routes
