"""What an endpoint makes of its request for one upstream, and what is made of that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from llm_proxy.faces.face import Face
from llm_proxy.relay.continuity import Continuity
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.base import Adapter


@dataclass(frozen=True, slots=True)
class UsedPrompt:
    """The prompt of the library that was put in front, as headers and logs name it."""

    ref: str
    language: str


class Prepared(NamedTuple):
    """What an endpoint makes of its request for one deployment; ``request.stream`` is final.

    ``face`` writes the answer. ``untranslated`` names what the endpoint's own reading of the request could not carry.
    ``native`` makes the call that a ``NativeRequest`` is for. ``instead`` makes another one of the request, if that upstream
    turns out to have no such endpoint.
    """

    request: ChatRequest | NativeRequest | EmbeddingsRequest
    face: Face
    untranslated: tuple[str, ...] = ()
    native: Adapter | None = None
    prompt: UsedPrompt | None = None
    instead: Callable[[], Awaitable[Prepared]] | None = None


class Own(NamedTuple):
    """An answer that needs no upstream: ``tell`` finishes with it."""

    tell: Callable[[], Awaitable[None]]


#: Asked anew for each deployment that is tried. Raises ``RequestError``.
Prepare = Callable[[Deployment], Awaitable[Prepared | Own]]


class Begun(NamedTuple):
    """A streamed answer that another upstream may go on with if it breaks off."""

    request: ChatRequest
    face: Face
    continuity: Continuity


class Made(NamedTuple):
    """The call for a chat request, and all that is needed to read its answer. ``dropped``: what it does not carry."""

    adapter: Adapter
    request: ChatRequest | NativeRequest
    deployment: Deployment
    call: HttpCall
    dropped: tuple[str, ...]
