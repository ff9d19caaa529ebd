"""Programs that ask and show the answer: llm with its plugins, promptfoo."""

from __future__ import annotations

from tests.apps.places import KEY, App, Place, Start


def llm(place: Place) -> Start:
    """A model of ``extra-openai-models.yaml``."""
    row = (
        f"- model_id: gateway\n  model_name: {place.model}\n  api_base: {place.v1}\n  supports_tools: true\n"
    )
    return _llm(place, "gateway", {}, {"llm/extra-openai-models.yaml": row})


def llm_ollama(place: Place) -> Start:
    """The plugin llm-ollama, which reads ``OLLAMA_HOST``."""
    return _llm(place, f"ollama/{place.model}", {"OLLAMA_HOST": f"{place.url}/ollama"}, {})


def llm_anthropic(place: Place) -> Start:
    """The plugin llm-anthropic, which asks for the models that it knows."""
    return _llm(place, "claude-sonnet-4.5", {"ANTHROPIC_BASE_URL": place.url, "ANTHROPIC_API_KEY": KEY}, {})


def _llm(place: Place, model: str, env: dict[str, str], files: dict[str, str]) -> Start:
    path = {"LLM_USER_PATH": str(place.home / "llm"), "OPENAI_API_KEY": KEY}
    return Start((place.binary("llm"), "-m", model, "-T", "llm_version", place.task), {**path, **env}, files)


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
)
