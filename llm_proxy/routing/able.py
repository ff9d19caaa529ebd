"""Which upstreams can take a request at all: what it needs, what each of them can, and what is said when none can.

Laws: pure. A request is read as its client wrote it, whatever the dialect, by the names that all of them share. Only what is
known counts: an upstream of which nobody says that it lacks something can; and a context is too long only if it has more words,
or sixteenths of its characters, than the window has tokens, which no tokenizer can make fit. Linear in the request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from typing import Any, Literal, NamedTuple

from llm_proxy.errors import InvalidRequest, Problem, RequestError
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import Condition
from providers.common.about import About

#: What an upstream may lack.
Lack = Literal["context", "tools", "vision"]


class Needs(NamedTuple):
    """``tokens``: how many its texts have at the very least; ``field``: where they stand; ``likely``: how many tokens there are
    if it is English."""

    vision: bool = False
    tools: bool = False
    tokens: int = 0
    field: str = "messages"
    likely: int = 0


NO_NEEDS = Needs()

#: Where texts and pictures stand: OpenAI, Responses, Anthropic, Gemini, Ollama.
_CONTENTS = ("messages", "input", "contents", "prompt", "system", "instructions", "systemInstruction")
#: Members that hold no text for the model, or one that servers leave out again.
_NO_TEXT = frozenset(
    """audio call_id cache_control data detail encrypted_content file file_data file_id fileData file_uri format id image_url
    inlineData inline_data input_audio media_type mimeType mime_type model name phase reasoning reasoning_content role signature
    source status thinking thoughtSignature tool_call_id tool_use_id type url""".split()
)
_PICTURES = frozenset({"image", "image_url", "input_image"})
_THOUGHTS = frozenset({"reasoning", "redacted_thinking", "thinking"})
#: A token has at most so many characters, blanks and a few odd words aside; and usually so many.
_LONGEST, _USUAL = 16, 4


def needs_of(body: Mapping[str, Any]) -> Needs:
    """What the request ``body`` of any dialect needs."""
    contents = [name for name in _CONTENTS if body.get(name)]
    if not contents:
        return NO_NEEDS
    vision, words, characters = _walked(body[name] for name in contents)
    tokens = max(words, characters // _LONGEST)
    vision = vision or _are_pictures(body.get("images"))
    if body.get("truncation") == "auto":  # what is too long is cut
        tokens = 0
    tools = body.get("tools") or body.get("functions")
    wanted = isinstance(tools, list) and body.get("tool_choice", body.get("function_call")) != "none"
    return Needs(vision, bool(tools) and wanted, tokens, contents[0], max(words, -(-characters // _USUAL)))


def _walked(values: Iterable[Any]) -> tuple[bool, int, int]:
    """Whether there is a picture in ``values``, and how many words and characters of text there are."""
    vision, words, characters = False, 0, 0
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            if not value.startswith("data:"):
                words += len(value.split())
                characters += len(value)
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, dict):
            kind = value.get("type")
            if isinstance(kind, str) and kind in _THOUGHTS:
                continue
            vision = vision or _is_picture(kind, value)
            rest += [item for name, item in value.items() if name not in _NO_TEXT and name != "images"]
    return vision, words, characters


def _is_picture(kind: Any, value: Mapping[str, Any]) -> bool:
    if isinstance(kind, str) and kind in _PICTURES:
        return True
    if _are_pictures(value.get("images")):
        return True
    for name in ("inlineData", "inline_data", "fileData", "file_data"):
        part = value.get(name)
        if isinstance(part, dict):
            media = part.get("mimeType") or part.get("mime_type")
            if isinstance(media, str) and media.startswith("image/"):
                return True
    return False


def _are_pictures(value: Any) -> bool:
    """Ollama's form: a list of texts in base64."""
    return isinstance(value, list) and any(isinstance(item, str) for item in value)


def room_of(deployment: Deployment, about: About) -> float:
    """Up to how many bytes it can take just any request, as far as is known."""
    if about.vision is False or about.tools is False:
        return 0
    window = deployment.input_size or about.context
    # There are no more tokens for certain than words, each of which has a character and one that parts it from the next.
    return inf if window is None else 2.0 * window


class Able:
    """Judges upstreams for one request; ``about``: what is known of each, without asking anybody."""

    __slots__ = ("_about", "needs")

    def __init__(self, needs: Needs, about: Callable[[Deployment], About]) -> None:
        self.needs = needs
        self._about = about

    def __call__(self, deployment: Deployment) -> bool:
        return self.lack(deployment) is None

    def lack(self, deployment: Deployment) -> Lack | None:
        """What it is known to lack; None if it can take the request."""
        needs, about = self.needs, self._about(deployment)
        if needs.vision and about.vision is False:
            return "vision"
        if needs.tools and about.tools is False:
            return "tools"
        window = deployment.input_size or about.context
        return "context" if window is not None and needs.tokens > window else None

    def refusal(self, name: str, deployments: Iterable[Deployment]) -> tuple[RequestError, Condition]:
        """What is said when none of ``deployments`` can, and which of ``fallbacks`` may answer instead."""
        rows = tuple(deployments)
        lacks = {self.lack(row) for row in rows}
        if "context" in lacks:
            sizes = (row.input_size or self._about(row).context for row in rows)
            window = max((size for size in sizes if size is not None), default=0)
            return _too_long(name, self.needs, window), "context_length"
        return _cannot(name, self.needs, lacks), "unavailable"


def _too_long(name: str, needs: Needs, window: int) -> RequestError:
    text = (
        f"the request is too long: its texts have more than {needs.tokens - 1} tokens, and the context of the model '{name}' has "
        f"{window}"
    )
    return RequestError(text, type="invalid_request_error", code="context_length_exceeded", param=needs.field)


def _cannot(name: str, needs: Needs, lacks: Collection[Lack | None]) -> RequestError:
    if "vision" in lacks:
        return InvalidRequest.of(
            [Problem(needs.field, f"holds a picture, and the model '{name}' takes none")]
        )
    return InvalidRequest.of([Problem("tools", f"has no meaning for the model '{name}', which calls none")])
