"""What is served where: the endpoints of the main port, of the port that is an Ollama's alone, and of that of the metrics.

Laws: the first pattern that matches serves, so the order of modules counts. What an endpoint does is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handlers import (
    chat,
    conversation,
    documents,
    explain,
    metrics,
    passthrough,
    ping,
    prompts,
    status,
    tags,
    usage,
)
from handlers.base.gateway import Gateway
from handlers.base.handler import BaseHandler
from handlers.console import (
    clients,
    configuration,
    events,
    files,
    health,
    models,
    money,
    playground,
    requests,
    session,
)
from handlers.console import prompts as prompt_texts
from handlers.faces import (
    anthropic,
    gemini,
    ollama,
    openai,
    openai_completions,
    openai_files,
    openai_kept,
    openai_media,
    openai_responses,
)
from llm_proxy.clients.application import GatewayApplication

#: The endpoints of OpenAI's API, which stands in several places.
_OF_OPENAI: tuple[Any, ...] = (
    *(openai, openai_completions, openai_responses),
    *(openai_kept, openai_media, openai_files),
)


#: The files last: their pattern takes every name.
_CONSOLE: tuple[Any, ...] = (
    *(session, events, requests, models, configuration, money, prompt_texts, clients, playground, health),
    files,
)


def routes_of(prefix: str, *, console: bool = True) -> list[tuple[str, type[BaseHandler]]]:
    """All endpoints, those of each module below ``prefix`` and at the root, and those of the ``console``; the first pattern
    that matches serves."""
    modules: Iterable[Any] = (
        *(ping, status, usage, metrics, tags, prompts, documents),
        *(chat, conversation, explain, passthrough),
        gemini,  # whose calls hold a model's name, before those that end with one
        *_OF_OPENAI,
        *(anthropic, ollama),
    )
    below = [(prefix + path, handler) for module in modules for path, handler in module.routes]
    beside = [("/ollama" + path, handler) for path, handler in _ollamas_others()]
    # As Groq has them: its own client takes a host and nothing else.
    beside += [("/openai" + path, handler) for module in _OF_OPENAI for path, handler in module.root_routes]
    found = below + beside + [route for module in modules for route in getattr(module, "root_routes", ())]
    if not console:
        return found
    own = [(prefix + path, handler) for path, handler in requests.routes]
    return own + found + [route for module in _CONSOLE for route in module.root_routes]


def _ollamas_others() -> list[tuple[str, type[BaseHandler]]]:
    """What an Ollama serves below ``/v1``: OpenAI's API and Anthropic's (github.com/ollama/ollama, server/routes.go)."""
    found = [route for module in (*_OF_OPENAI, anthropic) for route in module.root_routes]
    return [(path, handler) for path, handler in found if path.startswith("/v1/")]


def ollama_routes() -> list[tuple[str, type[BaseHandler]]]:
    """All that an Ollama serves, at the root, for a port of its own: there are tools that take no path."""
    own = [(path.removeprefix("/ollama"), handler) for path, handler in ollama.root_routes]
    return [*ping.health_routes, *_ollamas_others(), *own]


def metrics_routes() -> list[tuple[str, type[BaseHandler]]]:
    """All that is served on a port of the metrics' own."""
    return [*metrics.port_routes, *ping.health_routes]


def make_app(
    gateway: Gateway,
    routes: Iterable[tuple[str, type[BaseHandler]]],
    default: type[BaseHandler],
    prefix: str = "",
) -> GatewayApplication:
    """An application that serves ``routes``, below ``prefix`` too; everything else is ``default``'s."""
    shared = {"gateway": gateway}
    return GatewayApplication([(path, handler, shared) for path, handler in routes], default, shared, prefix)
