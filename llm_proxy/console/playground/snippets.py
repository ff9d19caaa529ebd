"""A request of the playground as something to paste: a line of curl, a program with the vendor's own library. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from llm_proxy.console.playground.forms import some
from llm_proxy.console.playground.question import Question

#: Items that are shorter than this together stand in one line.
_NARROW = 60


class _Library(NamedTuple):
    """How a program asks: ``client`` with ``KEY`` and ``URL``; what is printed of a ``part`` of a stream, and of a ``whole`` answer."""

    imported: str
    client: str
    method: str
    part: str
    whole: str


def _chat(where: str) -> _Library:
    return _Library(
        "from openai import OpenAI",
        f'OpenAI(base_url="URL{where}", api_key="KEY")',
        "chat.completions.create",
        'part.choices and part.choices[0].delta.content or ""',
        "answer.choices[0].message.content",
    )


_LIBRARIES = {
    "openai": _chat("/v1"),
    "responses": _chat("/v1")._replace(
        method="responses.create",
        part='part.delta if part.type == "response.output_text.delta" else ""',
        whole="answer.output_text",
    ),
    "anthropic": _Library(
        "from anthropic import Anthropic",
        'Anthropic(base_url="URL", api_key="KEY")',
        "messages.create",
        'getattr(part.delta, "text", "") if part.type == "content_block_delta" else ""',
        "answer.content[0].text",
    ),
    "ollama": _Library(
        "from ollama import Client",
        'Client(host="URL/ollama", headers={"Authorization": "Bearer KEY"})',
        "chat",
        "part.message.content",
        "answer.message.content",
    ),
    "gemini": _Library(
        "from google import genai",
        'genai.Client(api_key="KEY", http_options={"base_url": "URL/gemini"})',
        "models.generate_content",
        'part.text or ""',
        "answer.text",
    ),
    "api": _chat("/PREFIX"),
}


def curl(url: str, body: Mapping[str, Any], key: str | None) -> str:
    """For a shell; ``key``: what stands for one, if it takes one."""
    login = f" \\\n  -H {shlex.quote(f'Authorization: Bearer {key}')}" if key else ""
    told = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -N {shlex.quote(url)} -H 'Content-Type: application/json'{login} \\\n  -d {told}"


def python(
    face: str, asked: Question, body: Mapping[str, Any], url: str, prefix: str, key: str | None
) -> str:
    """A whole program; ``url``: the gateway's root, ``prefix`` what stands before its own endpoints."""
    library = _LIBRARIES[face]
    given = {name: value for name, value in body.items() if name != "stream_options"}
    method = library.method
    if face == "gemini":
        config = dict(given.pop("generationConfig", {}))
        if system := given.pop("systemInstruction", None):
            config["system_instruction"] = system["parts"][0]["text"]
        contents = given.pop("contents")
        method += "_stream" * asked.stream
        given = {"model": asked.model, "contents": contents} | some(config=config | given)
    client = library.client.replace("KEY", key or "any").replace("URL", url).replace("/PREFIX", prefix)
    arguments = "".join(f"    {name}={_written(value, '    ')},\n" for name, value in given.items())
    called = f"client.{method}(\n{arguments})"
    use = f"answer = {called}\nprint({library.whole})"
    if asked.stream:
        use = f'for part in {called}:\n    print({library.part}, end="", flush=True)'
    return f"{library.imported}\n\nclient = {client}\n{use}\n"


def _written(value: Any, margin: str) -> str:
    """As Python writes it."""
    deeper = margin + "    "
    if isinstance(value, Mapping):
        inside = [f"{_written(name, deeper)}: {_written(one, deeper)}" for name, one in value.items()]
        opened, closed = "{}"
    elif isinstance(value, list):
        inside = [_written(one, deeper) for one in value]
        opened, closed = "[]"
    else:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    if len(short := ", ".join(inside)) < _NARROW:
        return opened + short + closed
    return opened + "\n" + "".join(f"{deeper}{one},\n" for one in inside) + margin + closed
