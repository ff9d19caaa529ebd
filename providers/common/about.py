"""What is known of a model besides its name: what an upstream says of it, in whatever words, and what well-known names say.

Laws: pure; nothing is made up: what nobody says is None. What an upstream says wins over its model's name. Fields are known
by their shape, not by the vendor, since servers copy each other's; their sources stand beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class About:
    """``context``: the greatest number of tokens; the rest is what the model can do (True), cannot (False), or nobody says
    (None). ``insert``: filling in the middle."""

    completion: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    thinking: bool | None = None
    embedding: bool | None = None
    insert: bool | None = None
    context: int | None = None

    def over(self, other: About) -> About:
        """With what ``other`` says where this says nothing."""
        missing = {f.name: getattr(other, f.name) for f in fields(self) if getattr(self, f.name) is None}
        return replace(self, **missing)

    @classmethod
    def of(cls, capabilities: Iterable[str], context: int | None = None) -> About:
        """Of a whole list of them: what it lacks the model cannot."""
        listed = set(capabilities)
        return cls(**{name: name in listed for name in CAPABILITIES}, context=context)


#: Ollama's words (types/model/capability.go), in its order.
CAPABILITIES = ("completion", "tools", "insert", "vision", "embedding", "thinking")

_EMBEDDING = re.compile(
    r"embed|(^|[-/_])(bge|gte|e5|minilm|voyage|arctic-embed|paraphrase)([-_.:]|$)", re.IGNORECASE
)
#: Families that think, by their vendors' own lists; a name that says "instruct" is of one that does not.
_THINKING = re.compile(
    r"(^|[/:_.-])(o[134](-|$)|gpt-5|gpt-oss|deepseek-(r1|reasoner|v3\.[1-9])|qwq|qwen-?3|magistral|grok-(3-mini|4)|glm-(4\.[5-9]|5)"
    r"|kimi-k2-thinking|minimax-m[12]|gemini-(2\.5|[3-9])|claude-(3-7|(opus|sonnet|haiku|fable)-[4-9])|nemotron|phi-4-reasoning)"
    r"|thinking|reasoning",
    re.IGNORECASE,
)
_NOT_THINKING = re.compile(
    r"instruct|non-?thinking|non-?reasoning|chat-latest|qwen-?3[\w.]*-(coder|embed|rerank)", re.IGNORECASE
)
_VISION = re.compile(
    r"(^|[/:_.-])(gpt-4o|gpt-4\.1|gpt-5|o[34](-|$)|claude-(3|opus|sonnet|haiku)|gemini|gemma-?3|llava|pixtral|llama-?4|minicpm-v|moondream)"
    r"|vision|[-_.0-9]vl([-_.:0-9]|$)",
    re.IGNORECASE,
)


def by_name(model: str) -> About:
    """What the name of a well-known model says."""
    name = model[:200]
    if _EMBEDDING.search(name):
        return About(
            completion=False, tools=False, vision=False, thinking=False, embedding=True, insert=False
        )
    thinking = True if _THINKING.search(name) and not _NOT_THINKING.search(name) else None
    return About(thinking=thinking, vision=True if _VISION.search(name) else None)


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object in ``body``; an empty one for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def of_ollama(body: bytes) -> About:
    """The answer of Ollama's ``/api/show`` (server/routes.go, ShowResponse); older ones have no capabilities."""
    value = object_in(body)
    info = value.get("model_info")
    sizes = [
        _count(size)
        for key, size in (info.items() if isinstance(info, dict) else ())
        if key.endswith(".context_length")
    ]
    context = next(filter(None, sizes), None)
    listed = value.get("capabilities")
    if isinstance(listed, list) and listed:
        return About.of((name for name in listed if isinstance(name, str)), context)
    return About(context=context)


def of_list(body: bytes) -> dict[str, About]:
    """What a list of models (``/v1/models`` of OpenAI's dialect, or one like it) says of each."""
    value = object_in(body)
    found: dict[str, About] = {}
    for name in ("models", "data"):
        entries = value.get(name)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                about = of_entry(entry)
                for key in ("id", "model", "name", "key"):
                    model = entry.get(key)
                    if isinstance(model, str):
                        known = found.get(model)
                        found[model] = about.over(known) if known else about
    return found


def of_entry(entry: Mapping[str, Any]) -> About:
    """One entry of such a list."""
    about = About(context=next(filter(None, (_count(_at(entry, *path)) for path in _CONTEXTS)), None))
    for read in (_told_one_by_one, _listed, _supported, _modal, _typed):
        about = about.over(read(entry))
    return about


#: vLLM and SGLang; OpenRouter, Together; Groq; Mistral, LM Studio; llama.cpp; Google; Anthropic; Copilot.
_CONTEXTS = (
    ("max_model_len",),
    ("context_length",),
    ("context_window",),
    ("max_context_length",),
    ("meta", "n_ctx"),
    ("meta", "n_ctx_train"),
    ("inputTokenLimit",),
    ("max_input_tokens",),
    ("capabilities", "limits", "max_context_window_tokens"),
)
_FLAGS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "completion": (
        ("capabilities", "completion_chat"),
        ("capabilities", "chat_completion"),
        ("supports_chat",),
    ),
    "tools": (
        ("capabilities", "function_calling"),
        ("capabilities", "trained_for_tool_use"),
        ("capabilities", "supports", "tool_calls"),
        ("supports_tools",),
    ),
    "vision": (
        ("capabilities", "vision"),
        ("capabilities", "image_input"),
        ("capabilities", "supports", "vision"),
        ("supports_image_input",),
        ("supports_image_in",),
    ),
    "thinking": (
        ("capabilities", "reasoning"),
        ("capabilities", "thinking"),
        ("supports_reasoning",),
        ("thinking",),
    ),
    "insert": (("capabilities", "completion_fim"),),
    "embedding": (("capabilities", "embeddings"),),
}


def _told_one_by_one(entry: Mapping[str, Any]) -> About:
    """Mistral, Anthropic, LM Studio's ``/api/v1/models``, Fireworks, Moonshot, Google: a truth value for each, or an object
    that says ``supported``."""
    return About(
        **{
            name: next((flag for path in paths if (flag := _flag(_at(entry, *path))) is not None), None)
            for name, paths in _FLAGS.items()
        }
    )


#: Words in lists of capabilities, and what they stand for.
_WORDS = {
    "tool_use": "tools",
    "tools": "tools",
    "function_calling": "tools",
    "vision": "vision",
    "multimodal": "vision",
    "image": "vision",
    "thinking": "thinking",
    "reasoning": "thinking",
    "embedding": "embedding",
    "embeddings": "embedding",
    "completion": "completion",
    "chat": "completion",
    "insert": "insert",
}


def _listed(entry: Mapping[str, Any]) -> About:
    """LM Studio's ``/api/v0/models``, llama.cpp, an Ollama's ``/api/tags``: a list of words, not all of them told."""
    listed = entry.get("capabilities")
    words = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
    return About(**dict.fromkeys({_WORDS[word] for word in words if word in _WORDS}, True))


def _supported(entry: Mapping[str, Any]) -> About:
    """OpenRouter: the parameters that a model takes, all of them."""
    names = entry.get("supported_parameters") or entry.get("supported_features")
    if not isinstance(names, list) or not names:
        return About()
    thinks = any(name in names for name in ("reasoning", "include_reasoning", "reasoning_effort"))
    return About(tools="tools" in names, thinking=thinks)


def _modal(entry: Mapping[str, Any]) -> About:
    """OpenRouter, xAI, Gemini-like lists, llama.cpp: what goes in and what comes out."""
    inputs = _at(entry, "architecture", "input_modalities") or entry.get("input_modalities")
    outputs = _at(entry, "architecture", "output_modalities") or entry.get("output_modalities")
    vision = "image" in inputs if isinstance(inputs, list) and inputs else None
    if isinstance(outputs, list) and any("embedding" in str(word) for word in outputs):
        return About(vision=vision, embedding=True, completion=False)
    return About(vision=vision)


def _typed(entry: Mapping[str, Any]) -> About:
    """Together, LM Studio: a word for its kind; Google: the methods that it has."""
    methods = entry.get("supportedGenerationMethods")
    if isinstance(methods, list):
        embeds = "embedContent" in methods
        return About(embedding=embeds, completion="generateContent" in methods)
    kind = entry.get("type")
    if kind in ("embedding", "embeddings"):
        return About(completion=False, embedding=True, tools=False, vision=False, thinking=False)
    if kind == "vlm":
        return About(completion=True, vision=True, embedding=False)
    if kind == "llm" and isinstance(entry.get("compatibility_type"), str):
        return About(
            completion=True, vision=False, embedding=False
        )  # LM Studio has another word for the others
    return About()


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _flag(value: Any) -> bool | None:
    if isinstance(value, Mapping):
        supported = value.get("supported")
        return supported if isinstance(supported, bool) else True if value else None
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1e9 else None
