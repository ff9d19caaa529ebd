"""Programs that ask and show the answer: llm with its plugins, promptfoo."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.apps.places import KEY, App, Place, Start


def llm(place: Place) -> Start:
    """A model of ``extra-openai-models.yaml``, into which our command writes it."""
    row = "# of the tests\n- model_id: other\n  model_name: other\n  api_base: http://127.0.0.1:1/v1\n"
    start = _llm(place, f"gateway-{place.model}", {}, {"llm/extra-openai-models.yaml": row})
    return replace(start, client="llm")


def llm_ollama(place: Place) -> Start:
    """The plugin llm-ollama, which reads ``OLLAMA_HOST``."""
    return _llm(place, f"ollama/{place.model}", {"OLLAMA_HOST": f"{place.url}/ollama"}, {})


def llm_anthropic(place: Place) -> Start:
    """The plugin llm-anthropic, which asks for the models that it knows."""
    return _llm(place, "claude-sonnet-4.5", {"ANTHROPIC_BASE_URL": place.url, "ANTHROPIC_API_KEY": KEY}, {})


def _llm(place: Place, model: str, env: dict[str, str], files: dict[str, str]) -> Start:
    path = {"LLM_USER_PATH": str(place.home / "llm"), "OPENAI_API_KEY": KEY}
    return Start((place.binary("llm"), "-m", model, "-T", "llm_version", place.task), {**path, **env}, files)


def _promptfoo(provider: str, base: str) -> Any:
    def start(place: Place) -> Start:
        settings = {"apiBaseUrl": base.format(url=place.url), "apiKey": KEY}
        config = {
            "prompts": ["{{task}}"],
            "providers": [{"id": f"{provider}:{place.model}", "config": settings}],
            "tests": [{"vars": {"task": place.task}}],
        }
        env = {
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "PROMPTFOO_DISABLE_UPDATE": "1",
            "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
            "PROMPTFOO_CONFIG_DIR": str(place.home / "promptfoo"),
            "OLLAMA_BASE_URL": f"{place.url}/ollama",
        }
        path = str(place.home / "promptfooconfig.json")
        command = (place.binary("promptfoo"), "eval", "-c", path, "--no-cache", "--no-progress-bar")
        return Start(command, env, {"promptfooconfig.json": config})

    return start


APPS = (
    App("llm", "llm", "", "chat", "word", llm, quick=("openai", "gemini")),
    App("llm", "llm", "llm-ollama", "Ollama", "word", llm_ollama, quick=("anthropic",)),
    App(
        "llm",
        "llm",
        "llm-anthropic",
        "Anthropic",
        "word",
        llm_anthropic,
        quick=("openai",),
        fixed="claude-sonnet-4-5",
    ),
    App("promptfoo", "promptfoo", "openai:chat", "chat", "word", _promptfoo("openai:chat", "{url}/v1")),
    App(
        "promptfoo",
        "promptfoo",
        "openai:responses",
        "Responses",
        "word",
        _promptfoo("openai:responses", "{url}/v1"),
    ),
    App(
        "promptfoo",
        "promptfoo",
        "anthropic:messages",
        "Anthropic",
        "word",
        _promptfoo("anthropic:messages", "{url}"),
    ),
    App("promptfoo", "promptfoo", "ollama:chat", "Ollama", "word", _promptfoo("ollama:chat", "{url}/ollama")),
)
