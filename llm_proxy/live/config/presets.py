"""Well-known servers that speak OpenAI's dialect: a name implies the api_type and the usual host. Data, not code.

Laws: a row holds what the vendor's own page states, nothing that has to be tried out; whatever a configuration says
itself wins over it. A vendor that needs more than a host deserves an adapter in ``providers``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """``api_host`` is None for what has no usual address. ``key_header``: the header in which the key goes as it is;
    empty where it is a bearer token, as nearly everywhere."""

    name: str
    api_host: str | None
    api_type: str = "openai"
    key_header: str = ""


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        # Each resource has a host of its own: https://NAME.openai.azure.com/openai/v1, where ``model`` is the name of a
        # deployment and no api-version is wanted (learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
        Preset("azure", None, key_header="api-key"),
        Preset("cerebras", "https://api.cerebras.ai/v1"),  # inference-docs.cerebras.ai
        Preset("deepinfra", "https://api.deepinfra.com/v1/openai"),  # deepinfra.com/docs
        Preset("deepseek", "https://api.deepseek.com"),  # api-docs.deepseek.com
        Preset("github", "https://models.github.ai/inference"),  # docs.github.com/github-models
        Preset("fireworks", "https://api.fireworks.ai/inference/v1"),  # docs.fireworks.ai
        Preset("groq", "https://api.groq.com/openai/v1"),  # console.groq.com/docs/openai
        Preset("huggingface", "https://router.huggingface.co/v1"),  # huggingface.co/docs/inference-providers
        Preset("litellm", None),  # docs.litellm.ai: a gateway like this one
        # llama-server's usual port is 8080, which is ours too: a guess could make the gateway call itself.
        Preset("llamacpp", None),
        Preset("lmstudio", "http://127.0.0.1:1234/v1"),  # lmstudio.ai/docs
        Preset("mistral", "https://api.mistral.ai/v1"),  # docs.mistral.ai
        Preset("moonshot", "https://api.moonshot.ai/v1"),  # platform.moonshot.ai
        Preset("nvidia", "https://integrate.api.nvidia.com/v1"),  # docs.api.nvidia.com
        Preset("openrouter", "https://openrouter.ai/api/v1"),  # openrouter.ai/docs
        Preset("perplexity", "https://api.perplexity.ai"),  # docs.perplexity.ai
        Preset("sambanova", "https://api.sambanova.ai/v1"),  # docs.sambanova.ai
        Preset("sglang", None),  # docs.sglang.ai
        Preset("tgi", None),  # huggingface.co/docs/text-generation-inference
        Preset(
            "together", "https://api.together.ai/v1"
        ),  # docs.together.ai/docs/inference/openai-compatibility
        Preset("xai", "https://api.x.ai/v1"),  # docs.x.ai
        Preset("zai", "https://api.z.ai/api/paas/v4"),  # docs.z.ai
    )
}
