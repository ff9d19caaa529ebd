"""Agents that are no vendor's and come from npm: opencode, pi, Cline, Continue."""

from __future__ import annotations

import json
from typing import Any

from tests.apps.places import KEY, App, Place, Start

#: A model of opencode's own configuration sees only what it is said to see.
_SIGHTED = {"name": "m", "attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}}


def _opencode(package: str, base: str) -> Any:
    def start(place: Place) -> Start:
        options = {"baseURL": base.format(url=place.url), "apiKey": KEY}
        provider = {
            "npm": package,
            "name": "gateway",
            "options": options,
            "models": {place.model: _SIGHTED},
        }
        command, arguments = place.server
        server = {"type": "local", "command": [command, *arguments], "enabled": True}
        config = {
            "provider": {"gateway": provider},
            "model": f"gateway/{place.model}",
            "small_model": f"gateway/{place.model}",
            "autoupdate": False,
            "share": "disabled",
            "permission": "allow",
            "mcp": {"pictures": server} if place.mcp else {},
        }
        env = {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        }
        command_line = (place.binary("opencode"), "run", "-m", f"gateway/{place.model}", place.task)
        return Start(command_line, env, {".config/opencode/opencode.json": config})

    return start


def _pi(api: str, base: str) -> Any:
    def start(place: Place) -> Start:
        model = {"id": place.model, "name": "m", "reasoning": True, "input": ["text", "image"]}
        more = {
            "contextWindow": 128000,
            "maxTokens": 8192,
            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        }
        provider = {
            "baseUrl": base.format(url=place.url),
            "api": api,
            "apiKey": KEY,
            "models": [{**model, **more}],
        }
        return Start(
            (
                place.binary("pi"),
                "-p",
                "--provider",
                "gateway",
                "--model",
                place.model,
                "--thinking",
                "medium",
                place.task,
            ),
            {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"},
            {".pi/agent/models.json": {"providers": {"gateway": provider}}},
        )

    return start


def cline(place: Place) -> Start:
    """Cline's CLI with its provider ``openai-compatible``, as ``cline auth`` writes it down."""
    settings = {"provider": "openai-compatible", "apiKey": KEY, "model": place.model, "baseUrl": place.v1}
    provider = {"settings": settings, "updatedAt": "2026-11-26T00:00:00.000Z", "tokenSource": "manual"}
    providers = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}}
    command, arguments = place.server
    servers = {"pictures": {"command": command, "args": arguments}} if place.mcp else {}
    return Start(
        (
            place.binary("cline"),
            "-c",
            str(place.work),
            "--auto-approve",
            "true",
            "--retries",
            "1",
            place.task,
        ),
        {"CLINE_DIR": str(place.home / ".cline")},
        {
            ".cline/data/settings/providers.json": {
                **providers,
                "providers": {"openai-compatible": provider},
            },
            ".cline/data/settings/cline_mcp_settings.json": {"mcpServers": servers},
        },
    )


def _continue(provider: str, base: str) -> Any:
    def start(place: Place) -> Start:
        model: dict[str, Any] = {
            "name": "m",
            "provider": provider,
            "model": place.model,
            "apiKey": KEY,
            "roles": ["chat"],
        }
        model |= {
            "apiBase": base.format(url=place.url, ollama=place.ollama),
            "capabilities": ["tool_use", "image_input"],
        }
        config: dict[str, Any] = {"name": "gateway", "version": "1.0.0", "schema": "v1", "models": [model]}
        command, arguments = place.server
        if place.mcp:
            config["mcpServers"] = [{"name": "pictures", "command": command, "args": arguments}]
        path = place.home / "config.yaml"
        return Start(
            (place.binary("continue"), "-p", "--auto", "--config", str(path), place.task),
            {"CONTINUE_GLOBAL_DIR": str(place.home / ".continue"), "CONTINUE_TELEMETRY_ENABLED": "0"},
            {"config.yaml": json.dumps(config)},
        )

    return start


_V1 = "{url}/v1"
APPS = (
    App(
        "opencode",
        "opencode",
        "openai-compatible",
        "chat",
        "file",
        _opencode("@ai-sdk/openai-compatible", _V1),
        mcp="picture",
    ),
    App(
        "opencode", "opencode", "openai", "Responses", "file", _opencode("@ai-sdk/openai", _V1), mcp="picture"
    ),
    App(
        "opencode",
        "opencode",
        "anthropic",
        "Anthropic",
        "file",
        _opencode("@ai-sdk/anthropic", _V1),
        mcp="picture",
    ),
    App("pi", "pi", "chat", "chat", "file", _pi("openai-completions", _V1)),
    App("pi", "pi", "Responses", "Responses", "file", _pi("openai-responses", _V1)),
    App("pi", "pi", "Anthropic", "Anthropic", "file", _pi("anthropic-messages", "{url}")),
    App("Cline CLI", "cline", "", "chat", "file", cline, mcp="words"),
    App("Continue CLI", "continue", "openai", "chat", "file", _continue("openai", _V1), mcp="words"),
    App(
        "Continue CLI",
        "continue",
        "anthropic",
        "Anthropic",
        "file",
        _continue("anthropic", "{url}/v1/"),
        mcp="words",
    ),
    App(
        "Continue CLI",
        "continue",
        "ollama",
        "Ollama's port",
        "file",
        _continue("ollama", "{ollama}"),
        mcp="words",
    ),
)
