"""A canonical request as the body of Ollama's native ``/api/chat``.

Laws: names that both have are translated, Ollama's own pass into ``options``; contents are strings there and
arguments objects; a result names its function, which is looked up from the call it answers. What cannot be said is
reported. Source: github.com/ollama/ollama, docs/api.md and api/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest, EmbeddingsRequest, Message
from providers.common.conversation import Calls, field_text, inline, part_url, parts, refuse, unheard
from providers.common.defaults import effective
from providers.common.history import mended
from providers.common.params import HINTS, Layer, Params

#: Canonical names, and Ollama's for the same thing.
_RENAMED: dict[str, str] = {
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "max_new_tokens": "num_predict",
    "repetition_penalty": "repeat_penalty",
}
#: Fields of ``options`` (api/types.go, Options and Runner), with those that must be JSON integers.
_INTEGERS = frozenset(
    "num_ctx num_predict num_keep num_batch num_gpu main_gpu num_thread seed top_k repeat_last_n".split()
)
_OPTIONS = _INTEGERS | frozenset(
    "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty stop use_mmap numa "
    "tfs_z mirostat mirostat_eta mirostat_tau penalize_newline low_vram vocab_only use_mlock".split()
)
#: Native fields beside ``options``.
_TOP = ("keep_alive", "truncate", "shift", "logprobs", "top_logprobs")

#: What OpenAI's API has words for; those that were not translated are reported.
_OPENAI = frozenset(ChatRequest.model_fields) | frozenset(
    "verbosity metadata store service_tier prediction modalities audio prompt_cache_key prompt_cache_retention "
    "prompt_cache_options safety_identifier web_search_options functions function_call moderation client_metadata".split()
)

#: Ollama's own levels, for OpenAI's (openai/openai.go does the same).
_EFFORT: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}


def body(request: ChatRequest, deployment: Deployment) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The JSON body, and the names of the parameters that Ollama has no word for.

    Raises ``InvalidRequest`` for contents that it cannot take at all.
    """
    request, told = mended(request, _read)
    fields, dropped = settings(request.sent, deployment)
    frame = {"model": deployment.model, "messages": _messages(request), "stream": bool(request.stream)}
    return {**frame, **fields}, (*told, *dropped, *unheard(request.messages))


def settings(sent: Layer, deployment: Deployment) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields besides model, messages and stream, and the names of the parameters that Ollama has no word for."""
    same = (("reasoning_effort", "think"), ("response_format", "format"))
    params = Params(_flat(sent), _flat(deployment.options), same)
    call: dict[str, Any] = {}
    if deployment.keep_alive is not None:
        call["keep_alive"] = deployment.keep_alive
    call.update(params.take_all(_TOP))
    if (reply_format := _format(params)) is not None:
        call["format"] = reply_format
    if (think := _think(params)) is not None:
        call["think"] = think
    tools = _tools(params)
    if tools:
        call["tools"] = tools
    options = params.take_all([*sorted(_OPTIONS), *_further(_nested(deployment.options, sent), call)])
    # A field that neither side has a name for may be newer than this file: it passes.
    call.update(params.take_all(_further(sent, call)))
    if options:
        call["options"] = {name: _fitting(name, value) for name, value in options.items()}
    params.drop_rest()
    return call, params.dropped


def embed_body(request: EmbeddingsRequest, deployment: Deployment) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body of ``/api/embed``. Raises ``InvalidRequest``: Ollama takes texts, not tokens."""
    texts = request.input if isinstance(request.input, list) else [request.input]
    if not all(isinstance(text, str) for text in texts):
        refuse("input", "must be a string or a list of strings: Ollama takes no tokens")
    sent, dropped = effective(request.sent, {})
    structure = {"model", "input", "encoding_format"}
    body = {key: value for key, value in sent.items() if key not in structure | HINTS}
    body.update(model=deployment.model, input=texts)
    if deployment.keep_alive is not None:
        body.setdefault("keep_alive", deployment.keep_alive)
    return body, tuple(dropped)


def _nested(defaults: Layer, sent: Layer) -> list[str]:
    """Names that stand in an ``options`` object: in the configuration's, or in one that is sent as such."""
    return [*defaults, *_own(defaults), *_own(sent)]


def _further(names: Iterable[str], call: Layer) -> list[str]:
    """Those of ``names`` that OpenAI's API has no word for and that are not in ``call`` yet."""
    return [name for name in names if name not in _OPENAI and name not in _RENAMED and name not in call]


def _own(layer: Layer) -> dict[str, Any]:
    """The ``options`` object of ``layer``. Raises ``InvalidRequest``."""
    own = layer.get("options")
    if own is not None and not isinstance(own, dict):
        refuse("options", "must be an object")
    return own or {}


def _flat(layer: Layer) -> dict[str, Any]:
    """``layer`` with Ollama's names, and its ``options`` object taken apart; canonical names win. A null says nothing."""
    flat = {name: value for name, value in _own(layer).items() if value is not None}
    given = {name: value for name, value in layer.items() if name != "options" and value is not None}
    flat.update((name, value) for name, value in given.items() if name not in _RENAMED)
    # In reverse, so that the first of several canonical names for one thing has the last word.
    for name in reversed(_RENAMED):
        if name in given:
            flat[_RENAMED[name]] = given[name]
    return flat


def _fitting(name: str, value: Any) -> Any:
    """An option in the JSON type that Ollama's decoder takes: 5.0 is no integer there, and ``stop`` is a list."""
    if name == "stop":
        return [value] if isinstance(value, str) else value
    if name in _INTEGERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _format(params: Params) -> Any:
    """``format``: "json" or a JSON schema."""
    native, asked = params.take("format"), params.take("response_format")
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return "json"
    if kind == "json_schema":
        schema = (asked.get("json_schema") or {}).get("schema")
        return schema if schema is not None else "json"
    if asked is not None:
        params.drop("response_format")
    return native


def _think(params: Params) -> bool | str | None:
    native, effort = params.take("think"), params.take("reasoning_effort")
    if isinstance(effort, str) and effort in _EFFORT:
        return _EFFORT[effort]
    if effort is not None:
        params.drop("reasoning_effort")
    if native is not None and not isinstance(native, bool | str):
        params.drop("think")
        return None
    return native


def _tools(params: Params) -> list[Any]:
    """The tools to offer. Ollama cannot be told which one to use, only be shown none, and knows functions only."""
    tools, choice = params.take("tools") or [], params.take("tool_choice")
    if choice == "none":
        return []
    if choice not in (None, "auto"):
        params.drop("tool_choice")
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        refuse("tools", "must be a list of objects")  # an ``options`` object is not checked at the door
    functions = [tool for tool in tools if tool.get("type", "function") == "function"]
    if len(functions) < len(tools):
        params.drop("tools", "other than functions")
    return functions


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    calls = Calls()
    return [_message(message, at, calls) for at, message in enumerate(request.messages)]


def _message(message: Message, at: int, calls: Calls) -> dict[str, Any]:
    role = {"developer": "system", "function": "tool"}.get(message.role, message.role)
    native: dict[str, Any] = {"role": role}
    texts: list[str] = []
    images: list[str] = []
    for path, part in parts(message, at):
        (images if part["type"] == "image_url" else texts).append(_read(part, path))
    native["content"] = "\n".join(texts)
    if images:
        native["images"] = images
    if role == "assistant":
        _add_calls(native, message, at, calls)
    elif role == "tool":
        call_id, name = calls.answered(message, at)
        native.update(tool_name=name, tool_call_id=call_id)
    return native


def _read(part: dict[str, Any], path: str) -> str:
    """A text, or the data of a picture. Raises ``InvalidRequest`` for anything else."""
    if part["type"] in ("text", "refusal"):
        return field_text(part, part["type"], path)
    if part["type"] == "image_url":
        return _image(part, path)
    return refuse(f"{path}.type", "must be text or image_url: Ollama takes nothing else")


def _add_calls(native: dict[str, Any], message: Message, at: int, calls: Calls) -> None:
    extra = message.model_extra or {}
    thinking = extra.get("reasoning_content") or extra.get("reasoning")
    if isinstance(thinking, str) and thinking:
        native["thinking"] = thinking
    asked = calls.asked(message, at)
    if asked:
        native["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.arguments}}
            for index, call in enumerate(asked)
        ]


def _image(part: dict[str, Any], path: str) -> str:
    """An image as Ollama wants it: base64 without the ``data:`` in front."""
    content = inline(part_url(part, path), path)
    if content is None:
        refuse(path, "must be a data: URL: Ollama fetches no images")
    return content.data
