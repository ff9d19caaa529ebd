"""What Ollama's native API refuses, and how: https://github.com/ollama/ollama (api/types.go, server/routes.go).

``check_chat`` and its siblings are pure: a request body goes in, ``Refused`` comes out or nothing. Go's decoder is
strict about types and ignores unknown fields; what a client of the OpenAI dialect would get wrong (content parts,
arguments as text, data URLs, the role developer) is refused here in any case.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any

ROLES = ("system", "user", "assistant", "tool")
LEVELS = ("low", "medium", "high", "max")
INTEGERS = frozenset(
    "num_ctx num_predict num_keep num_batch num_gpu main_gpu num_thread seed top_k repeat_last_n".split()
)
DECIMALS = frozenset(
    "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty".split()
)
BOOLEANS = frozenset({"use_mmap"})
_DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+")


class Refused(Exception):
    """An error with its status; the text is the value of ``error``."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def host_allowed(host: str | None) -> bool:
    """Whether a server bound to loopback answers to this Host header: local names and addresses only."""
    name = (host or "").rsplit(":", 1)[0].lower()
    if name in ("", "localhost") or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def _typed(where: str, value: Any, kind: type | tuple[type, ...], go: str) -> None:
    """Go's complaint about a JSON value of the wrong type. An absent or null field is its zero value."""
    if value is None:
        return
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        found = {str: "string", list: "array", dict: "object", bool: "bool"}.get(type(value), "number")
        raise Refused(f"json: cannot unmarshal {found} into Go struct field {where} of type {go}")


def _images(where: str, images: Any) -> None:
    _typed(where, images, list, "[]api.ImageData")
    for image in images or []:
        _typed(where, image, str, "api.ImageData")
        try:
            base64.b64decode(image, validate=True)
        except binascii.Error as error:
            raise Refused("illegal base64 data at input byte 4") from error


def _options(options: Any) -> None:
    _typed("ChatRequest.options", options, dict, "map[string]interface {}")
    for name, value in (options or {}).items():
        good = True
        if name in INTEGERS:
            good = isinstance(value, int) and not isinstance(value, bool)
        elif name in DECIMALS:
            good = isinstance(value, int | float) and not isinstance(value, bool)
        elif name in BOOLEANS:
            good = isinstance(value, bool)
        elif name == "stop":
            good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not good:  # an unknown option is only warned about in the server's log
            raise Refused(f'option "{name}" has the wrong type')


def unloads(keep_alive: Any) -> bool:
    """Whether ``keep_alive`` means "unload right after": 0 in any unit. Raises ``Refused`` if it is no duration."""
    if keep_alive is None:
        return False
    if isinstance(keep_alive, bool) or not isinstance(keep_alive, int | float | str):
        raise Refused(f"Unsupported type: '{type(keep_alive).__name__}'")
    if isinstance(keep_alive, str):
        if not _DURATION.fullmatch(keep_alive):
            raise Refused(f'time: invalid duration "{keep_alive}"')
        return not re.search(r"[1-9]", keep_alive)
    return keep_alive == 0


def check_common(body: dict[str, Any], capabilities: tuple[str, ...]) -> None:
    """The fields that /api/chat and /api/generate share, judged for a model with these capabilities."""
    if "completion" not in capabilities:
        raise Refused(f'"{body["model"]}" does not support chat')
    _typed("ChatRequest.stream", body.get("stream"), bool, "bool")
    _options(body.get("options"))
    unloads(body.get("keep_alive"))
    wanted = body.get("format")
    if not (wanted in (None, "", "json") or isinstance(wanted, dict)):
        raise Refused(f'invalid format: {wanted!r}; expected "json" or a valid JSON Schema object')
    think = body.get("think")
    if not (think is None or isinstance(think, bool) or think in LEVELS):
        raise Refused(
            f'invalid think value: {think!r} (must be "high", "medium", "low", "max", true, or false)'
        )
    if think and "thinking" not in capabilities:
        raise Refused(f'"{body["model"]}" does not support thinking')
    _typed("ChatRequest.logprobs", body.get("logprobs"), bool, "bool")
    top = body.get("top_logprobs")
    _typed("ChatRequest.top_logprobs", top, int, "int")
    if top is not None and not 0 <= top <= 20:
        raise Refused("top_logprobs must be between 0 and 20")


def check_chat(body: dict[str, Any], capabilities: tuple[str, ...]) -> None:
    """/api/chat."""
    check_common(body, capabilities)
    _typed("ChatRequest.messages", body.get("messages"), list, "[]api.Message")
    for message in body.get("messages") or []:
        _message(message, capabilities)
    _typed("ChatRequest.tools", body.get("tools"), list, "api.Tools")
    for tool in body.get("tools") or []:
        _typed("ChatRequest.tools", tool, dict, "api.Tool")
        _typed("Tool.tools.function", tool.get("function"), dict, "api.ToolFunction")
        if tool.get("type") != "function" or not isinstance((tool.get("function") or {}).get("name"), str):
            raise Refused("invalid tool")
    if body.get("tools") and "tools" not in capabilities:
        raise Refused(f"registry.ollama.ai/library/{body['model']} does not support tools")


def _message(message: Any, capabilities: tuple[str, ...]) -> None:
    _typed("ChatRequest.messages", message, dict, "api.Message")
    if message.get("role") not in ROLES:
        raise Refused(f"invalid role: {message.get('role')!r}")
    for name in ("content", "thinking", "tool_name", "tool_call_id"):
        _typed(f"Message.messages.{name}", message.get(name), str, "string")
    _images("Message.messages.images", message.get("images"))
    if message.get("images") and "vision" not in capabilities:
        raise Refused("this model does not support images")
    _typed("Message.messages.tool_calls", message.get("tool_calls"), list, "[]api.ToolCall")
    for call in message.get("tool_calls") or []:
        _typed("Message.messages.tool_calls", call, dict, "api.ToolCall")
        function = call.get("function") or {}
        _typed("ToolCallFunction.function.name", function.get("name"), str, "string")
        _typed("ToolCallFunction.function.index", function.get("index"), int, "int")
        arguments = function.get("arguments")
        _typed("ToolCallFunction.function.arguments", arguments, dict, "api.ToolCallFunctionArguments")


def check_generate(body: dict[str, Any], capabilities: tuple[str, ...]) -> None:
    """/api/generate."""
    check_common(body, capabilities)
    for name in ("prompt", "suffix", "system", "template"):
        _typed(f"GenerateRequest.{name}", body.get(name), str, "string")
    _typed("GenerateRequest.raw", body.get("raw"), bool, "bool")
    _typed("GenerateRequest.context", body.get("context"), list, "[]int")
    _images("GenerateRequest.images", body.get("images"))
    if body.get("images") and "vision" not in capabilities:
        raise Refused("this model does not support images")


def embed_inputs(body: dict[str, Any]) -> list[str]:
    """The texts of /api/embed: one, several or none."""
    given = body.get("input")
    if given is None or given == "":
        return []
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not all(isinstance(item, str) for item in inputs):
        raise Refused("invalid input type")
    return inputs
