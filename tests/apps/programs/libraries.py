"""Client libraries and frameworks: a script of a few lines each (``tests/apps/libraries``), run by the library's own Python.

The model calls the library's function ``get_weather`` before it says the word: the loop of tools is the library's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.apps.pins import PINS
from tests.apps.places import KEY, App, Place, Start

_SCRIPTS = Path(__file__).resolve().parents[1] / "libraries"


def _script(pin: str, way: str) -> Any:
    def start(place: Place) -> Start:
        env = {
            "WAY": way,
            "MODEL": place.model,
            "TASK": place.task,
            "GATEWAY": place.url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": place.v1,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": place.url,
            "OLLAMA_HOST": f"{place.url}/ollama",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "AGNO_TELEMETRY": "false",
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "OTEL_SDK_DISABLED": "true",
        }
        if pin.endswith("-js"):
            return Start(("node", str(_SCRIPTS / f"{pin}.mjs")), {**env, "PACKAGES": place.binary(pin)})
        # -P: a script may have its library's name.
        return Start((place.beside(pin, "bin/python"), "-P", str(_SCRIPTS / f"{pin}.py")), env)

    return start


_DIALECTS = {"chat": "chat", "responses": "Responses", "anthropic": "Anthropic", "ollama": "Ollama"}
_WAYS = {
    "openai-agents": ("openai-agents", ("chat", "responses")),
    "litellm": ("LiteLLM", ("chat", "responses", "anthropic", "ollama")),
    "agno": ("Agno", ("chat", "responses", "anthropic", "ollama")),
    "strands": ("Strands", ("chat", "anthropic", "ollama")),
    "smolagents": ("smolagents", ("chat",)),
    "instructor": ("instructor", ("chat",)),
    "groq": ("groq", ("chat",)),
    "together": ("together", ("chat",)),
    "mistralai": ("mistralai", ("chat",)),
    "langchain-anthropic": ("langchain-anthropic", ("anthropic",)),
    "langchain-js": ("LangChain.js", ("chat", "responses", "anthropic", "ollama")),
    "llama-index": ("LlamaIndex", ("chat", "ollama")),
    "haystack": ("Haystack", ("chat", "responses", "ollama")),
    "autogen": ("AutoGen", ("chat", "ollama")),
    "semantic-kernel": ("Semantic Kernel", ("chat", "responses")),
    "lm-eval": ("lm-eval", ("chat",)),
    "open-webui": ("Open WebUI", ("chat", "ollama")),
}
APPS = tuple(
    App(
        name,
        pin,
        _DIALECTS[way] if len(ways) > 1 else "",
        _DIALECTS[way],
        "word",
        _script(pin, way),
        limit=600.0 if PINS[pin].heavy else 120.0,
    )
    for pin, (name, ways) in _WAYS.items()
    for way in ways
)
