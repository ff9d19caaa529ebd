"""The contract of an adapter: requests go in and an HTTP call comes out; upstream bytes go in, chat events come out.

Laws: an adapter is pure. It opens no socket, reads no file and keeps no state between requests; what belongs to one
stream lives in that stream's ``StreamDecoder``. The canonical dialect is OpenAI's chat completions. The core never
asks which adapter it holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from llm_proxy.errors import GatewayError, NotSupported
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.events import ChatResponse, Chunk, Comment, Done, Event, Failed
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest
from providers.common.about import About, of_list
from providers.common.headers import bearer_headers
from providers.common.listed import names_in
from providers.common.thoughtless import refuses_thinking, without_thinking

__all__ = [
    "Adapter",
    "BaseProvider",
    "ChatResponse",
    "Chunk",
    "Comment",
    "Done",
    "Event",
    "Failed",
    "NativeCall",
    "StreamDecoder",
]


class StreamDecoder(ABC):
    """Turns the bytes of one streamed answer into events. It never raises: a fault becomes ``Failed``, after all
    complete events that came before it. After ``Done`` or ``Failed`` it returns nothing more."""

    #: Whether what it is fed is of the canonical dialect, so that what it recognises (``usual``) may be relayed as it came.
    canonical: ClassVar[bool] = False
    #: Whether a JSON document is a stream too, of one event.
    takes_documents: ClassVar[bool] = False

    @abstractmethod
    def feed(self, data: bytes) -> Sequence[Event]:
        """The events that ``data`` completes, in order; an empty sequence if it completes none."""

    @property
    def known(self) -> tuple[bytes, bytes] | None:
        """What the event of each usual chunk, which is sound and holds text and no usage, is before and after its text, if that is
        known: the same tuple until it is something else. It is learnt once somebody has asked. Where the dialect is another, it is the
        canonical event that would be written for the chunk."""
        return None

    def usual(self, data: bytes) -> bytes:
        """What follows ``known[0]`` in the event of a chunk, if ``data`` is exactly one usual chunk: then it need not be fed. Else
        nothing, and nothing has happened."""
        return b""

    def leading(self, data: bytes) -> tuple[int, int]:
        """With how many usual chunks ``data`` begins, and how many bytes these are; nothing has happened."""
        return 0, 0

    def passed(self, count: int) -> None:  # noqa: B027 - who recognises none need not count
        """So many of these were relayed, and are not fed."""

    @abstractmethod
    def close(self) -> Sequence[Event]:
        """Call once when the body has ended cleanly: the last events, with ``Failed`` if no terminator was seen."""

    def close_framed(self) -> Sequence[Event]:
        """The same for a body whose own framing has told its end, so that nothing of it is missing: then a dialect whose
        terminator adds nothing may do without it."""
        return self.close()


class Adapter(Protocol):
    """What makes a call of a request and reads the answer to it: a provider, or one of its native calls."""

    def chat_call(self, request: Any, deployment: Deployment, /) -> HttpCall:
        """The upstream call for ``request``, whose ``stream`` is final. Raises ``InvalidRequest``."""

    def chat_response(self, body: bytes, request: Any, /) -> ChatResponse:
        """The whole answer from a 200 body. Raises ``UpstreamError``."""

    def stream_decoder(self, request: Any, /) -> StreamDecoder:
        """A fresh decoder for one streamed answer."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes, /) -> GatewayError:
        """The error that an upstream status >= 400 stands for."""


class BaseProvider(ABC):
    """One wire dialect. Subclasses are found by scanning this package and are instantiated once, without arguments."""

    #: The name used in ``models-config.json``; empty for classes that only share code.
    api_type: ClassVar[str] = ""
    #: The usual host, in the form that ``api_host`` takes; None where there is none.
    default_host: ClassVar[str | None] = None
    #: Whether servers of this type may have OpenAI's endpoints for audio, images, moderations and files, below the host.
    has_media: ClassVar[bool] = False
    #: The vendors that it tells apart, by the names that the configuration has for them; empty where there is only one.
    vendors: ClassVar[frozenset[str]] = frozenset()

    def vendor_at(self, api_host: str) -> str:
        """Which of ``vendors`` answers at ``api_host``; for an empty one, which is meant where nothing is known."""
        return ""

    @abstractmethod
    def chat_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall:
        """The upstream call for ``request`` (``request.stream`` is final). Raises ``InvalidRequest`` when something
        in the request cannot be put into this dialect at all (an image by URL for a server that takes only data)."""

    @abstractmethod
    def chat_response(self, body: bytes, request: ChatRequest) -> ChatResponse:
        """The whole answer from a 200 body. Raises ``UpstreamError`` if it is not one, and the mapped error if it
        carries an error object in spite of its status."""

    @abstractmethod
    def stream_decoder(self, request: ChatRequest) -> StreamDecoder:
        """A fresh decoder for one streamed answer."""

    @abstractmethod
    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The error that an upstream status >= 400 stands for; ``headers`` has lower-case names, ``body`` may be cut.
        Classified by status first, then by machine-readable code, never by prose."""

    def takes_file_urls(self, deployment: Deployment) -> bool:
        """Whether a part ``file`` may hold an address instead of data."""
        return True

    def talk_call(self, request: ChatRequest, deployment: Deployment) -> HttpCall | None:
        """What ``chat_call`` makes of a request that is nothing but a talk (``ChatRequest.talk``), if that is simple there: it
        asks for no thoughts, has no tools, and nothing of it is left out. None: it goes the usual way."""
        return None

    def adapter_for(self, request: ChatRequest, deployment: Deployment) -> Adapter:
        """Who makes the call for ``request``: this dialect has one API for chats, or the vendor several."""
        return self

    def native(self, path: str) -> NativeCall | None:
        """How a request in this dialect itself, by the path of its API, is sent on as it is; None if it has to be
        translated. The canonical dialect needs none: its requests are no other."""
        return None

    def about_calls(self, deployment: Deployment) -> tuple[HttpCall, ...]:
        """What to ask this upstream to hear about its models; nothing where there is nobody to ask."""
        return ()

    def about(self, body: bytes, deployment: Deployment) -> Mapping[str, About]:
        """What the answer to one of these calls says, by the upstream's names of its models. Never raises."""
        return of_list(body)

    def list_call(self, deployment: Deployment) -> HttpCall | None:
        """What to ask this upstream to hear which models it has; None where there is nobody to ask."""
        return None

    def listed(self, body: bytes) -> tuple[str, ...] | None:
        """The names in the answer to that call, the upstream's own; None if it is no list. Never raises."""
        return names_in(body)

    def without_thinking(
        self, request: ChatRequest, deployment: Deployment
    ) -> tuple[ChatRequest, Deployment, tuple[str, ...]] | None:
        """``request`` and ``deployment`` asking for no thoughts, and what was given up of the request by name; None if they
        do not ask for any."""
        return without_thinking(request, deployment)

    def refuses_thinking(self, error: GatewayError) -> bool:
        """Whether ``error`` says that the model does not think at all."""
        return refuses_thinking(error)

    def embeddings_call(self, request: EmbeddingsRequest, deployment: Deployment) -> HttpCall:
        """The upstream call for ``request``. Raises ``NotSupported`` where the dialect has no embeddings."""
        raise NotSupported.by_upstream(f"upstreams of the type {self.api_type} have no embeddings")

    def embeddings_response(self, body: bytes, request: EmbeddingsRequest) -> bytes:
        """The body of OpenAI's embeddings answer, from a 200 body. Raises ``UpstreamError`` if it is none."""
        raise NotSupported.by_upstream(f"upstreams of the type {self.api_type} have no embeddings")

    def auth_headers(self, deployment: Deployment) -> tuple[tuple[str, str], ...]:
        """The credentials and configured headers of every call to that deployment, also of raw passthrough calls."""
        return bearer_headers(deployment)


class NativeCall(ABC):
    """One call of an API that a face speaks as well: the client's fields reach the upstream whatever they are, under
    them the defaults of the configuration, and the answer's bytes reach the client. They are read beside that, for
    errors, the end, and what the log wants to know.

    An answer in another form than was asked for (whole or streamed) is read as the provider reads it, without ``raw``.
    """

    def __init__(self, provider: BaseProvider) -> None:
        self.provider = provider

    def serves(self, deployment: Deployment) -> bool:
        """Whether that upstream has the call: not every server of a dialect has all of it."""
        return True

    def at(self, deployment: Deployment) -> NativeCall:
        """The call as that upstream has it."""
        return self

    def takes(self, body: Mapping[str, Any], deployment: Deployment) -> bool:
        """Whether that upstream can do what ``body`` asks for: many have but a part of a vendor's API."""
        return True

    def keeps(self, deployment: Deployment) -> bool:
        """Whether that upstream keeps its answers, for later requests to refer to, unless it is told not to."""
        return False

    @abstractmethod
    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        """The upstream call. Raises ``InvalidRequest``."""

    @abstractmethod
    def chat_response(self, body: bytes, request: NativeRequest) -> ChatResponse:
        """The whole answer from a 200 body. Raises as ``BaseProvider.chat_response`` does."""

    @abstractmethod
    def stream_decoder(self, request: NativeRequest) -> StreamDecoder:
        """A fresh decoder for one streamed answer."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The error that an upstream status >= 400 stands for."""
        return self.provider.error(status, headers, body)
