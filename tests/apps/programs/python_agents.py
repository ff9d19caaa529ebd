"""Agents written in Python: aider, gptme, mini-swe-agent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.apps.places import KEY, App, Place, Start


def aider(place: Place) -> Start:
    """By what our command writes into its configuration."""
    return replace(_aider_with(place), client="aider")


def _aider(prefix: str) -> Any:
    def start(place: Place) -> Start:
        return _aider_with(place, "--model", prefix + place.model)

    return start


def _aider_with(place: Place, *more: str) -> Start:
    flags = "--yes-always --no-git --no-check-update --analytics-disable --no-show-model-warnings --no-detect-urls --no-pretty"
    rest = (
        *more,
        *("--message", place.task, "--edit-format", "whole", "--no-show-release-notes"),
        *("--map-tokens", "0"),
    )
    env = {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_API_BASE": place.url,
        "OLLAMA_API_BASE": f"{place.url}/ollama",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return Start((place.binary("aider"), *flags.split(), *rest, "hello.txt"), env)


def gptme(place: Place) -> Start:
    """gptme with an OpenAI-compatible server and native tools."""
    return Start(
        (
            *(
                place.binary("gptme"),
                "-n",
                "--tool-format",
                "tool",
                "-m",
                f"local/{place.model}",
                "--tools",
                "save",
            ),
            *("-w", str(place.work), place.task),
        ),
        {"OPENAI_BASE_URL": place.v1, "OPENAI_API_KEY": KEY, "GPTME_CHECK_UPDATES": "0"},
        {".config/gptme/config.toml": "[prompt]\n[env]\n"},
    )


def mini(place: Place) -> Start:
    """mini-swe-agent: its model is LiteLLM's, its one tool is a shell."""
    return Start(
        (place.binary("mini"), "-m", f"openai/{place.model}", "-t", place.task, "-y", "--exit-immediately"),
        {
            "OPENAI_API_KEY": KEY,
            "OPENAI_API_BASE": place.v1,
            "MSWEA_CONFIGURED": "true",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
    )


APPS = (
    App("aider", "aider", "openai/", "chat", "file", aider, quick=("strict", "anthropic")),
    App("aider", "aider", "ollama_chat/", "Ollama", "file", _aider("ollama_chat/")),
    App("aider", "aider", "anthropic/", "Anthropic", "file", _aider("anthropic/")),
    App("gptme", "gptme", "", "chat", "file", gptme),
    App("mini-swe-agent", "mini", "", "chat", "file", mini),
)
