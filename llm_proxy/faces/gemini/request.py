"""A request of the Gemini API as a canonical chat request (ai.google.dev/api/generate-content).

Laws: fields are read in either spelling, and what no other vendor has is named; what only Google keeps is refused. Its own
servers get requests as they are (``native``). Filters for safety and labels speak to Google's machinery alone and
say nothing to a model: they are no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.addresses import without_addresses
from llm_proxy.faces.gemini.config import GenerationConfig, parameters
from llm_proxy.faces.gemini.names import respelled
from llm_proxy.faces.gemini.tools import tools
from llm_proxy.faces.gemini.turns import Turns
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.schema import Open, validated

Json = dict[str, Any]


class GenerateContentRequest(Open):
    """``POST models/{model}:generateContent`` and ``:streamGenerateContent``; also in snake_case."""

    contents: list[dict[str, Any] | str] = Field(min_length=1)
    system_instruction: Any = Field(default=None, alias="systemInstruction")
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = Field(default=None, alias="toolConfig")
    generation_config: GenerationConfig | None = Field(default=None, alias="generationConfig")
    safety_settings: list[dict[str, Any]] | None = Field(default=None, alias="safetySettings")
    cached_content: str | None = Field(default=None, alias="cachedContent")
    labels: dict[str, Any] | None = None
    service_tier: str | None = Field(default=None, alias="serviceTier")


class CountTokensRequest(Open):
    """``POST models/{model}:countTokens``: contents, or a whole request for an answer."""

    contents: list[dict[str, Any] | str] | None = None
    whole: dict[str, Any] | None = Field(default=None, alias="generateContentRequest")


@dataclass(frozen=True, slots=True)
class Translated:
    """The canonical body, the names of what it could not carry, and whether thoughts are wanted."""

    sent: Json
    dropped: tuple[str, ...]
    thoughts: bool


#: What the URL says as well, and what only Google's own machinery reads.
_HINTS = frozenset({"model", "safetySettings", "labels"})
_READ = frozenset(field.alias or name for name, field in GenerateContentRequest.model_fields.items()) | _HINTS


def canonical(
    body: Mapping[str, Any], model: str, api_type: str, *, stream: bool, addresses: bool = True
) -> Translated:
    """The chat request for ``body`` to ``model`` at an upstream of ``api_type``, which takes files by ``addresses`` or not.
    Raises ``InvalidRequest``."""
    given = respelled(body)
    form = validated(GenerateContentRequest, given)
    if form.cached_content:
        raise InvalidRequest.of(
            [
                Problem(
                    "cachedContent", "is kept by Google alone, and this model is not there; send the contents"
                )
            ]
        )
    turns = Turns(api_type)
    if form.system_instruction is not None:
        turns.system(form.system_instruction)
    turns.read(given["contents"])
    if not any(message["role"] != "system" for message in turns.messages):
        raise InvalidRequest.of([Problem("contents", "hold nothing that can be answered")])
    messages, unread = (turns.messages, ()) if addresses else without_addresses(turns.messages, "contents")
    called, of_tools = tools(form.tools or (), form.tool_config)
    config = form.generation_config or GenerationConfig()
    told, of_config = parameters(config, api_type)
    lost = [name for name in given if name not in _READ]
    tier = (form.service_tier or "").lower().removeprefix("service_tier_")
    if tier not in ("", "unspecified"):
        told["service_tier"] = "default" if tier == "standard" else tier
    sent = {"model": model, "stream": stream, "messages": messages, **told, **called}
    dropped = dict.fromkeys((*lost, *of_config, *of_tools, *turns.dropped, *unread))
    thinking = config.thinking_config
    return Translated(sent, tuple(dropped), thinking is not None and bool(thinking.include_thoughts))


#: What Google counts for a picture of moderate size (ai.google.dev/gemini-api/docs/tokens).
_PICTURE = 258


def estimated_tokens(body: Mapping[str, Any]) -> int:
    """A count without a tokenizer: four bytes of JSON text are about one token of English, and data that is no text
    counts as a picture. An estimate, no more. Raises ``InvalidRequest``."""
    given = respelled(body)
    asked = validated(CountTokensRequest, given)
    whole = asked.whole or given
    if not whole.get("contents"):
        raise InvalidRequest.of([Problem("contents", "is required, and must not be empty")])
    names = ("contents", "systemInstruction", "tools")
    counted = {name: whole[name] for name in names if whole.get(name)}
    data = [part["inlineData"] for part in _parts(counted["contents"])]
    sizes = [
        len(blob["data"]) for blob in data if isinstance(blob, dict) and isinstance(blob.get("data"), str)
    ]
    return max(1, (len(encoded(counted)) - sum(sizes)) // 4 + _PICTURE * len(sizes))


def _parts(contents: Any) -> list[Json]:
    found = [content.get("parts") for content in contents if isinstance(content, dict)]
    return [
        part
        for parts in found
        if isinstance(parts, list)
        for part in parts
        if isinstance(part, dict) and "inlineData" in part
    ]
