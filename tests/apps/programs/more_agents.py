"""Agents that are no vendor's and come from npm: opencode, pi, Cline, Continue."""

from __future__ import annotations

import json
from dataclasses import replace
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
        name = f"gateway/{place.model}"
        config = {"provider": {"gateway": provider}, "model": name, "small_model": name}
        return _opencode_with(place, config)

    return start


def opencode(place: Place) -> Start:
    """By what our command writes into its file."""
    return replace(_opencode_with(place, {}), client="opencode")


def _opencode_with(place: Place, config: dict[str, Any]) -> Start:
    command, arguments = place.server
    server = {"type": "local", "command": [command, *arguments], "enabled": True}
    more = {
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
    command_line = (place.binary("opencode"), "run", place.task)
    return Start(command_line, env, {".config/opencode/opencode.json": config | more})


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
        return _pi_with(place, "gateway", {"gateway": provider})

    return start


def pi(place: Place) -> Start:
    """By what our command writes into its list of models."""
    return replace(_pi_with(place, "llm-proxy", {}), client="pi")


def _pi_with(place: Place, provider: str, providers: dict[str, Any]) -> Start:
    given = ("-p", "--provider", provider, "--model", place.model, "--thinking", "medium", place.task)
    return Start(
        (place.binary("pi"), *given),
        {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"},
        {".pi/agent/models.json": {"providers": providers}},
    )


def cline(place: Place) -> Start:
    """Cline's CLI with its provider ``openai-compatible``, as our command writes it down."""
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
        {".cline/data/settings/cline_mcp_settings.json": {"mcpServers": servers}},
        client="cline",
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
        return _continue_with(place, json.dumps(config | _mcp_of_continue(place)))

    return start


def continue_openai(place: Place) -> Start:
    """By what our command writes into its configuration."""
    text = "# of the tests\nname: mine\nversion: 1.0.0\nschema: v1\n"
    if place.mcp:
        command, arguments = place.server
        text += (
            f"mcpServers:\n  - name: pictures\n    command: {command}\n    args: {json.dumps(arguments)}\n"
        )
    return replace(_continue_with(place, text), client="continue")


def _mcp_of_continue(place: Place) -> dict[str, Any]:
    command, arguments = place.server
    server = {"name": "pictures", "command": command, "args": arguments}
    return {"mcpServers": [server]} if place.mcp else {}


def _continue_with(place: Place, config: str) -> Start:
    path = place.home / ".continue" / "config.yaml"
    return Start(
        (place.binary("continue"), "-p", "--auto", "--config", str(path), place.task),
        {"CONTINUE_GLOBAL_DIR": str(place.home / ".continue"), "CONTINUE_TELEMETRY_ENABLED": "0"},
        {".continue/config.yaml": config},
    )


_V1 = "{url}/v1"
APPS = (
    App(
        "opencode",
        "opencode",
        "openai-compatible",
        "chat",
        "file",
        opencode,
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
    App("pi", "pi", "chat", "chat", "file", pi),
    App("pi", "pi", "Responses", "Responses", "file", _pi("openai-responses", _V1)),
    App("pi", "pi", "Anthropic", "Anthropic", "file", _pi("anthropic-messages", "{url}")),
    App("Cline CLI", "cline", "", "chat", "file", cline, mcp="words"),
    App("Continue CLI", "continue", "openai", "chat", "file", continue_openai, mcp="words"),
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
