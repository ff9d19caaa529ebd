"""Which programs are tried, and in which versions: the newest that the oldest supported Node and Python can run.

A pin is a folder of the cache, ``NAME-VERSION``; a changed version is another folder, and nothing is upgraded in place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of ``npm`` or ``pip``, what comes with it, and the file that proves that it is there."""

    name: str
    registry: str
    packages: tuple[str, ...]
    program: str
    heavy: bool = False  # several gigabytes: only when asked for
    sources: tuple[str, ...] = ()  # those of what comes with it that PyPI has no wheel of

    @property
    def version(self) -> str:
        """The version of the first package."""
        return self.packages[0].rpartition("=" if self.registry == "pip" else "@")[2]

    @property
    def folder(self) -> str:
        """Where it stands in the cache."""
        return f"{self.name}-{self.version}"


def _npm(name: str, package: str, program: str, *more: str) -> Pin:
    return Pin(name, "npm", (package, *more), f"node_modules/{program}")


def _pip(name: str, program: str, *packages: str, sources: tuple[str, ...] = ()) -> Pin:
    return Pin(name, "pip", packages, f"bin/{program}", sources=sources)


PINS = {
    pin.name: pin
    for pin in (
        # The package's own start script looks for a newer Node; the program inside needs none.
        _npm("claude", "@anthropic-ai/claude-code@2.1.332", "@anthropic-ai/claude-code-{platform}/claude"),
        _npm("codex", "@openai/codex@0.171.0", ".bin/codex"),
        _npm("gemini", "@google/gemini-cli@0.61.0", ".bin/gemini"),
        _npm("opencode", "opencode-ai@1.18.33", "opencode-{platform}/bin/opencode"),
        _npm("qwen", "@qwen-code/qwen-code@0.15.10", ".bin/qwen"),
        _npm("copilot", "@github/copilot@1.0.102", ".bin/copilot"),
        _npm("pi", "@mariozechner/pi-coding-agent@0.73.1", ".bin/pi"),
        _npm("cline", "cline@3.0.65", ".bin/cline"),
        _npm("continue", "@continuedev/cli@1.5.47", ".bin/cn"),
        _npm("promptfoo", "promptfoo@0.121.20", ".bin/promptfoo"),
        _pip("aider", "aider", "aider-chat==0.86.2"),
        _pip("llm", "llm", "llm==0.36", "llm-ollama==0.19.1", "llm-anthropic==0.30"),
        _pip("gptme", "gptme", "gptme==0.35.1"),
        _pip("mini", "mini", "mini-swe-agent==2.4.6"),
        _pip("openai-agents", "python", "openai-agents==0.24.0"),
        _pip("litellm", "python", "litellm==1.110.2"),
        _pip("agno", "python", "agno==3.1.10", "openai==3.57.0", "anthropic==2.14.0", "ollama==0.6.3"),
        _pip("strands", "python", "strands-agents[openai,anthropic,ollama]==1.62.0"),
        _pip("smolagents", "python", "smolagents[openai]==1.26.0"),
        _pip("instructor", "python", "instructor==1.17.0"),
        _pip("groq", "python", "groq==1.7.0"),
        _pip("together", "python", "together==3.1.1"),
        _pip("mistralai", "python", "mistralai==3.7.0"),
        _pip("langchain-anthropic", "python", "langchain-anthropic==1.7.10"),
        _pip(
            "llama-index",
            "python",
            "llama-index-core==0.14.25",
            "llama-index-llms-openai-like==0.8.1",
            "llama-index-llms-ollama==0.11.0",
        ),
        _pip("haystack", "python", "haystack-ai==3.4.1", "ollama-haystack==7.0.2"),
        _pip("autogen", "python", "autogen-ext[openai,ollama]==0.7.5", "autogen-agentchat==0.7.5"),
        _pip("semantic-kernel", "python", "semantic-kernel==1.45.0", sources=("pybars4", "PyMeta3")),
        _npm(
            "langchain-js",
            "@langchain/core@1.4.0",
            "@langchain/core/package.json",
            "@langchain/openai@1.5.8",
            "@langchain/anthropic@1.5.11",
            "@langchain/ollama@1.3.0",
        ),
        _pip(
            "lm-eval", "python", "lm-eval[api]==0.4.13", sources=("sqlitedict", "rouge-score", "word2number")
        ),
        Pin("open-webui", "pip", ("open-webui==0.12.4",), "bin/open-webui", heavy=True),
    )
}
