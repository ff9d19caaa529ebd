"""Agents: Claude Code, Codex, opencode, Qwen Code, Gemini CLI, aider, Continue, Cline, Copilot CLI, pi."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from llm_proxy.faces.programs.values import KEY_NAME, File, Gateway, Program, Setting, Variables

#: By this name the gateway stands among the providers of a program.
PROVIDER = "llm-proxy"


def _claude(gateway: Gateway) -> tuple[Setting, ...]:
    """Its small model asks too, so it is named; and what is no model's traffic would go to Anthropic."""
    env = {
        "ANTHROPIC_BASE_URL": gateway.url,
        "ANTHROPIC_AUTH_TOKEN": gateway.key,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": gateway.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    content = {"model": gateway.model, "env": env}
    home = ("CLAUDE_CONFIG_DIR", "settings.json")
    return (File("~/.claude/settings.json", "json", content, home, (("env", "ANTHROPIC_AUTH_TOKEN"),)),)


def _codex(gateway: Gateway) -> tuple[Setting, ...]:
    """The key goes in a header that is only sent when the variable is set, so that a gateway without keys needs none."""
    provider = {
        "name": PROVIDER,
        "base_url": gateway.v1,
        "wire_api": "responses",
        "env_http_headers": {"x-api-key": KEY_NAME},
    }
    content = {
        "model": gateway.model,
        "model_provider": PROVIDER,
        "model_providers": {PROVIDER: provider},
    }
    return (File("~/.codex/config.toml", "toml", content, ("CODEX_HOME", "config.toml")),)


def _opencode(gateway: Gateway) -> tuple[Setting, ...]:
    model = {
        "name": gateway.model,
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": PROVIDER,
        "options": {"baseURL": gateway.v1, "apiKey": gateway.key},
        "models": {gateway.model: model},
    }
    name = f"{PROVIDER}/{gateway.model}"
    content = {
        "$schema": "https://opencode.ai/config.json",
        "model": name,
        "small_model": name,
        "provider": {PROVIDER: provider},
    }
    secret = (("provider", PROVIDER, "options", "apiKey"),)
    home = ("XDG_CONFIG_HOME", "opencode/opencode.json")
    path = "~/.config/opencode/opencode.json"
    return (File(path, "json", content, home, secret, kept=(("$schema",),)),)


def _qwen(gateway: Gateway) -> tuple[Setting, ...]:
    auth = {"selectedType": "openai", "baseUrl": gateway.v1, "apiKey": gateway.key}
    content = {"security": {"auth": auth}, "model": {"name": gateway.model}}
    return (File("~/.qwen/settings.json", "json", content, secret=(("security", "auth", "apiKey"),)),)


def _gemini(gateway: Gateway) -> tuple[Setting, ...]:
    """The variables stand in its own file of them; how to sign in, in its settings."""
    variables = {
        "GEMINI_API_KEY": gateway.key,
        "GOOGLE_GEMINI_BASE_URL": gateway.url,
        "GEMINI_MODEL": gateway.model,
    }
    return (
        File("~/.gemini/.env", "env", variables, secret=(("GEMINI_API_KEY",),)),
        File("~/.gemini/settings.json", "json", {"security": {"auth": {"selectedType": "gemini-api-key"}}}),
    )


def _aider(gateway: Gateway) -> tuple[Setting, ...]:
    content = {
        "model": f"openai/{gateway.model}",
        "openai-api-base": gateway.v1,
        "openai-api-key": gateway.key,
        "show-model-warnings": False,
    }
    return (File("~/.aider.conf.yml", "yaml", content, secret=(("openai-api-key",),)),)


def _continue(gateway: Gateway) -> tuple[Setting, ...]:
    model = {
        "name": f"{gateway.model} ({PROVIDER})",
        "provider": "openai",
        "model": gateway.model,
        "apiBase": gateway.v1,
        "apiKey": gateway.key,
        "roles": ["chat", "edit", "apply"],
        "capabilities": ["tool_use", "image_input"],
    }
    content = {"name": PROVIDER, "version": "1.0.0", "schema": "v1", "models": [model]}
    home = ("CONTINUE_GLOBAL_DIR", "config.yaml")
    secret = (("models", 0, "apiKey"),)
    kept = (("name",), ("version",), ("schema",), ("models", 0, "roles"), ("models", 0, "capabilities"))
    return (File("~/.continue/config.yaml", "yaml", content, home, secret, kept),)


def _cline(gateway: Gateway) -> tuple[Setting, ...]:
    """As ``cline auth`` writes it down."""
    settings = {
        "provider": "openai-compatible",
        "apiKey": gateway.key,
        "model": gateway.model,
        "baseUrl": gateway.v1,
    }
    provider = {"settings": settings, "updatedAt": "2026-11-27T00:00:00.000Z", "tokenSource": "manual"}
    content = {
        "version": 1,
        "lastUsedProvider": "openai-compatible",
        "modes": {},
        "providers": {"openai-compatible": provider},
    }
    secret = (("providers", "openai-compatible", "settings", "apiKey"),)
    home = ("CLINE_DIR", "data/settings/providers.json")
    kept = (("version",), ("modes",), ("providers", "openai-compatible", "updatedAt"))
    return (File("~/.cline/data/settings/providers.json", "json", content, home, secret, kept),)


def _copilot(gateway: Gateway) -> tuple[Setting, ...]:
    return (
        Variables(
            {
                "COPILOT_PROVIDER_BASE_URL": gateway.v1,
                "COPILOT_PROVIDER_TYPE": "openai",
                "COPILOT_PROVIDER_API_KEY": gateway.key,
                "COPILOT_MODEL": gateway.model,
                "COPILOT_OFFLINE": "true",
            }
        ),
    )


def _pi(gateway: Gateway) -> tuple[Setting, ...]:
    model = {
        "id": gateway.model,
        "name": gateway.model,
        "reasoning": True,
        "input": ["text", "image"],
        "contextWindow": 128000,
        "maxTokens": 8192,
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
    }
    provider = {
        "baseUrl": gateway.v1,
        "api": "openai-completions",
        "apiKey": gateway.key,
        "models": [model],
    }
    secret = (("providers", PROVIDER, "apiKey"),)
    return (
        File(
            "~/.pi/agent/models.json",
            "json",
            {"providers": {PROVIDER: provider}},
            secret=secret,
            kept=tuple(("providers", PROVIDER, "models", 0, key) for key in model if key != "id"),
            same="id",
        ),
    )


def _always(command: str) -> Callable[[Gateway], str]:
    return lambda gateway: command


AGENTS = (
    Program(
        "claude-code",
        "Claude Code",
        "Anthropic",
        _claude,
        "https://code.claude.com/docs/en/llm-gateway",
        _always("claude"),
        ("Its /model menu lists names that begin with claude or anthropic only; --model takes any.",),
    ),
    Program(
        "codex",
        "Codex",
        "Responses",
        _codex,
        "https://developers.openai.com/codex/config-reference",
        _always("codex"),
        (f"Where the gateway asks for a key, Codex reads it from the variable {KEY_NAME}.",),
    ),
    Program(
        "opencode",
        "opencode",
        "chat",
        _opencode,
        "https://opencode.ai/docs/providers",
        _always("opencode"),
    ),
    Program(
        "qwen-code",
        "Qwen Code",
        "chat",
        _qwen,
        "https://qwenlm.github.io/qwen-code-docs",
        _always("qwen"),
    ),
    Program(
        "gemini-cli",
        "Gemini CLI",
        "Gemini",
        _gemini,
        "https://geminicli.com/docs/get-started/configuration",
        lambda gateway: f"gemini -m {shlex.quote(gateway.model)}",
    ),
    Program(
        "aider",
        "aider",
        "chat",
        _aider,
        "https://aider.chat/docs/llms/openai-compat.html",
        _always("aider"),
    ),
    Program(
        "continue",
        "Continue",
        "chat",
        _continue,
        "https://docs.continue.dev/reference",
        _always("cn"),
        ("The same file is read by its extensions for VS Code and JetBrains, and by its command line cn.",),
    ),
    Program(
        "cline",
        "Cline CLI",
        "chat",
        _cline,
        "https://docs.cline.bot/provider-config/openai-compatible",
        _always("cline"),
        (
            'In its extension for VS Code: API Provider "OpenAI Compatible", with the same address, key and model.',
        ),
    ),
    Program(
        "copilot-cli",
        "Copilot CLI",
        "chat",
        _copilot,
        "https://docs.github.com/copilot/how-tos/copilot-cli",
        _always("copilot"),
    ),
    Program(
        "pi",
        "pi",
        "chat",
        _pi,
        "https://github.com/badlogic/pi-mono",
        lambda gateway: f"pi --provider {PROVIDER} --model {shlex.quote(gateway.model)}",
    ),
)
