"""Programs to chat with, and libraries: Open WebUI, llm, the vendors' own clients, LangChain, curl."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from llm_proxy.faces.programs.values import NO_KEY, Code, File, Gateway, Keys, Program, Setting, Variables

_HELLO = "Say hello."


def _open_webui(gateway: Gateway) -> tuple[Setting, ...]:
    """Its first start reads them; later ones read what its administrator set on the page."""
    return (
        Variables(
            {
                "OPENAI_API_BASE_URL": gateway.v1,
                "OPENAI_API_KEY": gateway.key,
                "OLLAMA_BASE_URL": gateway.ollama,
            }
        ),
    )


def _llm(gateway: Gateway) -> tuple[Setting, ...]:
    """It sends a key of its own making unless a header is set; ``api_key_name`` would make it insist on a key."""
    row: dict[str, Any] = {
        "model_id": f"gateway-{gateway.model}",
        "model_name": gateway.model,
        "api_base": gateway.v1,
        "supports_tools": True,
    }
    secret: tuple[Keys, ...] = ()
    if gateway.key != NO_KEY:
        row["headers"] = {"x-api-key": gateway.key}
        secret = ((0, "headers", "x-api-key"),)
    home = ("LLM_USER_PATH", "extra-openai-models.yaml")
    path = "~/.config/io.datasette.llm/extra-openai-models.yaml"
    return (File(path, "yaml", [row], home, secret, same="model_id"),)


def _code(
    language: str, install: str, lines: Callable[[Gateway], str]
) -> Callable[[Gateway], tuple[Setting, ...]]:
    def settings(gateway: Gateway) -> tuple[Setting, ...]:
        return (Code(language, lines(gateway), install),)  # type: ignore[arg-type]

    return settings


def _quoted(text: str) -> str:
    """A string of Python and of JavaScript alike."""
    return json.dumps(text, ensure_ascii=False)


def _openai(gateway: Gateway) -> str:
    return f"""from openai import OpenAI

client = OpenAI(base_url={_quoted(gateway.v1)}, api_key={_quoted(gateway.key)})
for chunk in client.chat.completions.create(
    model={_quoted(gateway.model)},
    messages=[{{"role": "user", "content": "{_HELLO}"}}],
    stream=True,
):
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
"""


def _openai_js(gateway: Gateway) -> str:
    return f"""import OpenAI from "openai";

const client = new OpenAI({{baseURL: {_quoted(gateway.v1)}, apiKey: {_quoted(gateway.key)}}});
const stream = await client.chat.completions.create({{
  model: {_quoted(gateway.model)},
  messages: [{{role: "user", content: "{_HELLO}"}}],
  stream: true,
}});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
"""


def _anthropic(gateway: Gateway) -> str:
    return f"""from anthropic import Anthropic

client = Anthropic(base_url={_quoted(gateway.url)}, api_key={_quoted(gateway.key)})
with client.messages.stream(
    model={_quoted(gateway.model)},
    max_tokens=1024,
    messages=[{{"role": "user", "content": "{_HELLO}"}}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
"""


def _ollama(gateway: Gateway) -> str:
    return f"""from ollama import Client

client = Client(host={_quoted(gateway.ollama)}, headers={{"Authorization": {_quoted("Bearer " + gateway.key)}}})
for part in client.chat(
    model={_quoted(gateway.model)},
    messages=[{{"role": "user", "content": "{_HELLO}"}}],
    stream=True,
):
    print(part.message.content, end="", flush=True)
"""


def _google(gateway: Gateway) -> str:
    return f"""from google import genai
from google.genai.types import HttpOptions

client = genai.Client(
    api_key={_quoted(gateway.key)},
    http_options=HttpOptions(base_url={_quoted(gateway.url)}),
)
for chunk in client.models.generate_content_stream(
    model={_quoted(gateway.model)},
    contents="{_HELLO}",
):
    print(chunk.text or "", end="", flush=True)
"""


def _langchain(gateway: Gateway) -> str:
    return f"""from langchain_openai import ChatOpenAI

chat = ChatOpenAI(
    model={_quoted(gateway.model)},
    base_url={_quoted(gateway.v1)},
    api_key={_quoted(gateway.key)},
)
for chunk in chat.stream("{_HELLO}"):
    print(chunk.content, end="", flush=True)
"""


def _curl(gateway: Gateway) -> str:
    body = json.dumps(
        {"model": gateway.model, "stream": True, "messages": [{"role": "user", "content": _HELLO}]},
        ensure_ascii=False,
    )
    return (
        f"curl -N {shlex.quote(gateway.v1 + '/chat/completions')} \\\n"
        f"  -H {shlex.quote('Authorization: Bearer ' + gateway.key)} \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}\n"
    )


OTHERS = (
    Program(
        "open-webui",
        "Open WebUI",
        "chat, Ollama",
        _open_webui,
        "https://docs.openwebui.com/reference/env-configuration",
        lambda gateway: "open-webui serve",
        (
            "These variables are for its first start. Later: Admin Panel, Settings, Connections, with the same addresses.",
            "In a container 127.0.0.1 is the container itself: give --url http://host.docker.internal:8080.",
        ),
        "chat",
    ),
    Program(
        "llm",
        "llm",
        "chat",
        _llm,
        "https://llm.datasette.io/en/stable/other-models.html",
        lambda gateway: f"llm -m {shlex.quote('gateway-' + gateway.model)} '{_HELLO}'",
        (
            "Where the gateway asks for a key, say --key here: it goes in a header.",
            "On a Mac the file is in ~/Library/Application Support/io.datasette.llm.",
        ),
        "chat",
    ),
    Program(
        "openai",
        "openai (Python)",
        "chat",
        _code("python", "pip install openai", _openai),
        "https://github.com/openai/openai-python",
        notes=("Its Responses API works as well: client.responses.create.",),
        group="library",
    ),
    Program(
        "openai-js",
        "openai (JavaScript)",
        "chat",
        _code("javascript", "npm install openai", _openai_js),
        "https://github.com/openai/openai-node",
        group="library",
    ),
    Program(
        "anthropic",
        "anthropic (Python)",
        "Anthropic",
        _code("python", "pip install anthropic", _anthropic),
        "https://github.com/anthropics/anthropic-sdk-python",
        group="library",
    ),
    Program(
        "ollama",
        "ollama (Python)",
        "Ollama",
        _code("python", "pip install ollama", _ollama),
        "https://github.com/ollama/ollama-python",
        notes=(
            "Programs that read OLLAMA_HOST take the same address; those that cannot take a path need LLM_PROXY_API_OLLAMA_PORT.",
        ),
        group="library",
    ),
    Program(
        "google-genai",
        "google-genai (Python)",
        "Gemini",
        _code("python", "pip install google-genai", _google),
        "https://github.com/googleapis/python-genai",
        group="library",
    ),
    Program(
        "langchain",
        "LangChain (Python)",
        "chat",
        _code("python", "pip install langchain-openai", _langchain),
        "https://docs.langchain.com/oss/python/integrations/chat/openai",
        group="library",
    ),
    Program(
        "curl",
        "curl",
        "chat",
        _code("bash", "", _curl),
        "https://curl.se/docs/manpage.html",
        group="library",
    ),
)
