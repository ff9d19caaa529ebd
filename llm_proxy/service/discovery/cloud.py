"""Keys of vendors in the environment: which there are, and the rows that would use them.

Laws: pure; a key's value is never looked at but for being there, and a row refers to it as ``${NAME}``. Nothing is used
unless somebody said so: it costs money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CloudKey:
    """A variable that is set, and the provider that would use it. ``reason``: why we cannot use it."""

    variable: str
    provider: str
    host: str = ""
    reason: str = ""


#: The variables of a provider, the first that is set counts.
_VARIABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("openai", ("OPENAI_API_KEY",)),
    ("anthropic", ("ANTHROPIC_API_KEY",)),
    ("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    ("groq", ("GROQ_API_KEY",)),
    ("mistral", ("MISTRAL_API_KEY",)),
    ("openrouter", ("OPENROUTER_API_KEY",)),
    ("deepseek", ("DEEPSEEK_API_KEY",)),
    ("xai", ("XAI_API_KEY",)),
    ("together", ("TOGETHER_API_KEY",)),
    ("fireworks", ("FIREWORKS_API_KEY",)),
    ("cohere", ("CO_API_KEY", "COHERE_API_KEY")),
    ("perplexity", ("PERPLEXITY_API_KEY",)),
    ("cerebras", ("CEREBRAS_API_KEY",)),
    ("nvidia", ("NVIDIA_API_KEY",)),
    ("huggingface", ("HF_TOKEN",)),
    ("moonshot", ("MOONSHOT_API_KEY",)),
    ("dashscope", ("DASHSCOPE_API_KEY",)),
    ("azure", ("AZURE_OPENAI_API_KEY",)),
    ("bedrock", ("AWS_BEARER_TOKEN_BEDROCK",)),
)
#: Those without a usual address of ours: their OpenAI-compatible one, as their documents have it.
_HOSTS = {
    "cohere": "https://api.cohere.ai/compatibility/v1",  # docs.cohere.com/docs/compatibility-api
    "dashscope": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",  # alibabacloud.com/help/en/model-studio
}
#: Those that list no models which a name here could mean.
_UNLISTED = {
    "azure": "its models are deployments of your own: give them names in models-config.json",
    "bedrock": "its models depend on your region and account: name them in models-config.json",
    "perplexity": "it lists no models: name them in models-config.json",
}


def keys_in(env: Mapping[str, str]) -> tuple[CloudKey, ...]:
    """The keys that are there."""
    found = []
    for provider, variables in _VARIABLES:
        name = next((name for name in variables if env.get(name, "").strip()), None)
        if name is not None:
            found.append(CloudKey(name, provider, _HOSTS.get(provider, ""), _UNLISTED.get(provider, "")))
    return tuple(found)


def rows_of(keys: tuple[CloudKey, ...]) -> dict[str, Any]:
    """Providers for the keys, in the form of ``models-config.json``: every model that the vendor lists."""
    rows: dict[str, Any] = {}
    for key in keys:
        if key.reason:
            continue
        defaults = {"api_token": f"${{{key.variable}}}"}
        if key.host:
            defaults = {"api_type": "openai", "api_host": key.host, **defaults}
        rows[key.provider] = {"defaults": defaults, "*": {}}
    return rows
