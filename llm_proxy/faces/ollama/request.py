"""A request of Ollama's native API as a canonical chat request (github.com/ollama/ollama, docs/api.md, api/types.go).

Laws: Ollama itself gets requests as they are, of which only the fields of ``Asked`` are checked; any other upstream gets
canonical names, and what only a runner of models understands is named as dropped. A prompt becomes a conversation of one
turn. A result of a tool finds its call by id, else by name, else it answers the oldest call without a result,
because Ollama's own clients send no ids. Whether a model can do what is asked is its upstream's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.ollama.turns import Turn, conversation
from llm_proxy.wire.schema import Open

_Json = dict[str, Any]

#: Zero in any unit of Go's durations, or in seconds.
_ZERO = re.compile(r"-?(0+(\.0+)?(ns|us|µs|ms|s|m|h)?)+")


class Asked(Open):
    """What both calls have in common."""

    model: str = Field(min_length=1)
    stream: bool | None = None
    options: dict[str, Any] | None = None
    format: Any = None
    think: Any = None
    keep_alive: Any = None

    @property
    def streams(self) -> bool:
        """Whether the answer is to be streamed; an absent field means yes."""
        return self.stream is not False

    @property
    def unloads(self) -> bool:
        """Whether ``keep_alive`` says: not at all."""
        if isinstance(self.keep_alive, str):
            return _ZERO.fullmatch(self.keep_alive) is not None
        return type(self.keep_alive) in (int, float) and self.keep_alive == 0


class OllamaChat(Asked):
    """``POST /api/chat``."""

    messages: list[Turn] | None = None
    tools: list[dict[str, Any]] | None = None

    @property
    def turns(self) -> list[Turn]:
        """The conversation; empty if the model is only to be loaded."""
        return self.messages or []


class OllamaGenerate(Asked):
    """``POST /api/generate``."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None

    @property
    def turns(self) -> list[Turn]:
        """The prompt as a conversation; empty if the model is only to be loaded."""
        if not self.prompt:
            return []
        system = [Turn(role="system", content=self.system)] if self.system else []
        return [*system, Turn(role="user", content=self.prompt, images=self.images)]


@dataclass(frozen=True, slots=True)
class Translated:
    """The canonical body, and the names of what it could not carry."""

    sent: _Json
    dropped: tuple[str, ...]


#: What is read from the form.
_READ = frozenset({*OllamaChat.model_fields, *OllamaGenerate.model_fields})
#: Fields of ``/api/generate`` that go around the model's chat template, and so around every chat API.
_RAW = ("suffix", "template", "raw", "context")
#: Fields and options that speak to the program that runs the model, and not to the model.
_RUNNER = frozenset(
    "truncate shift num_ctx num_keep num_batch num_gpu main_gpu num_thread use_mmap use_mlock numa low_vram "
    "vocab_only f16_kv logits_all tfs_z mirostat mirostat_eta mirostat_tau penalize_newline".split()
)
_CANONICAL = {"num_predict": "max_tokens", "repeat_penalty": "repetition_penalty"}
_INTEGERS = ("max_tokens", "seed", "top_k")


def canonical(form: OllamaChat | OllamaGenerate, body: Mapping[str, Any], api_type: str) -> Translated:
    """The chat request for ``form``, which was read from ``body``, to an upstream of ``api_type``. Raises
    ``InvalidRequest``."""
    dropped = [name for name in _RAW if body.get(name)]
    passed = {k: v for k, v in body.items() if k not in _READ and k not in _RAW and v is not None}
    sent: _Json = {"model": form.model, "messages": conversation(form.turns), "stream": form.streams}
    if isinstance(form, OllamaChat) and form.tools:
        sent["tools"] = [{"type": "function", **tool} for tool in form.tools]
    given = {**(form.options or {}), **passed}
    dropped += [name for name, value in given.items() if name in _RUNNER and value is not None]
    if form.keep_alive is not None:
        dropped.append("keep_alive")
    options = _options({name: value for name, value in given.items() if name not in _RUNNER})
    thinking = _think(form.think, api_type)
    if form.think is False and not thinking:
        dropped.append("think")
    return Translated({**options, **_format(form.format), **thinking, **sent}, tuple(dropped))


def _options(given: _Json) -> _Json:
    """Options under canonical names. Go reads 5.0 as an integer where one is meant; nobody else does."""
    found: _Json = {}
    for name, value in given.items():
        ours = _CANONICAL.get(name, name)
        if ours in _INTEGERS and isinstance(value, float) and value.is_integer():
            value = int(value)
        unlimited = ours == "max_tokens" and isinstance(value, int) and value < 0
        if value is not None and not unlimited and not (ours == "stop" and value == []):
            found[ours] = value
    return found


def _format(wanted: Any) -> _Json:
    if wanted in (None, ""):
        return {}
    if wanted == "json":
        return {"response_format": {"type": "json_object"}}
    if isinstance(wanted, dict):
        schema = {"name": "answer", "schema": wanted}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    raise InvalidRequest.of([Problem("format", 'must be "json" or a JSON schema')])


def _think(think: Any, api_type: str) -> _Json:
    """Thinking in the words of other dialects. OpenAI's has no word for "do not" that its models without thinking accept,
    and clients send it to any model; vLLM's templates ignore what they do not know."""
    if think is None or think == "":
        return {}
    if not isinstance(think, bool | str):
        raise InvalidRequest.of(
            [Problem("think", "must be true, false or a level such as low, medium or high")]
        )
    effort = {} if think is True else {"reasoning_effort": think}
    if api_type == "vllm":
        return {"chat_template_kwargs": {"enable_thinking": bool(think)}, **(effort if think else {})}
    if think is False:
        return {"reasoning_effort": "none"} if api_type in ("anthropic", "gemini") else {}
    return effort or {"reasoning_effort": "medium"}
