"""The upstreams: the double of each dialect, and what it answers, in the words of ``features``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.matrix.features import Call, Counts, Refusal, Said, failed, refused, rejected_key
from tests.matrix.forms import anthropic_form, gemini_form, ollama_form, openai_form, vllm_form
from tests.matrix.says import TEXT, answers
from tests.matrix.sees_anthropic import ANTHROPIC_SEES
from tests.matrix.sees_gemini import GEMINI_SEES
from tests.matrix.sees_ollama import OLLAMA_SEES
from tests.matrix.sees_openai import OPENAI_SEES, VLLM_SEES, Json, Seen
from tests.support import anthropic_double, gemini_double, gemini_rules, ollama_words, openai_words
from tests.support.anthropic_rules import signature
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import OpenAIDouble
from tests.support.peer import Peer
from tests.support.request_parser import Received
from tests.support.secrets import UPSTREAM_KEY
from tests.support.vllm_double import VllmDouble

#: What every double has said when it breaks off.
BEGUN = "Hello from"


@dataclass(frozen=True, slots=True)
class Upstream:
    """``double`` makes one; ``models`` are its models for asks other than the usual (``""``); ``form`` reads a request
    as ``sees`` writes it; ``places`` says where the things stand that not every face can ask for; ``refuses`` are models
    that fail and what comes of it, ``breaks`` those that fail in mid-stream, with the text that came before."""

    name: str
    double: Callable[[], Peer]
    models: Mapping[str, str]
    form: Callable[[Received, bool], Json]
    sees: Seen
    places: Mapping[str, str]
    says: Mapping[str | tuple[str, str], Said]
    refuses: Mapping[str, Refusal]
    breaks: Mapping[str, tuple[str, Refusal]]

    def rows(self, url: str, ask: str = "", model: str = "") -> Json:
        """A configuration whose model ``m`` is here."""
        host = url + "/v1" if self.name in ("openai", "vllm") else url
        defaults = {"api_type": self.name, "api_host": host, "api_token": UPSTREAM_KEY}
        return {"up": {"defaults": defaults, "m": {"model": model or self.models.get(ask, self.models[""])}}}


_OPENAI_COUNTS = {"text": 8, "call": 4, "calls": 8, "thought": 2}
_OPENAI_IDS = ("call_double_1", "call_double_2")
_THOUGHTS = "".join(openai_words.THOUGHTS)

OPENAI = Upstream(
    "openai",
    lambda: OpenAIDouble(UPSTREAM_KEY, thoughts="reasoning_content"),
    {"": "gpt-double"},
    openai_form,
    OPENAI_SEES,
    {name: name for name in ("seed", "presence_penalty", "user", "tool_choice", "parallel_tool_calls")},
    answers(_OPENAI_IDS, Counts(9, 4), _OPENAI_COUNTS, (_THOUGHTS, 2)),
    {
        "error-400": refused(
            400, "maximum context length", "invalid_request_error", "context_length_exceeded"
        ),
        "error-401": rejected_key(),
        "error-429": refused(429, "Rate limit reached", "rate_limit_error", "rate_limit", retry_after="7"),
        "error-500": failed(502, "had an error while processing"),
        "error-503": failed(503, "currently overloaded", retry_after="7"),
    },
    {
        "dies": (BEGUN, failed(503, "currently overloaded")),
        "mute": (TEXT, failed(502, "without saying that the answer is complete")),
    },
)

VLLM = Upstream(
    "vllm",
    lambda: VllmDouble(UPSTREAM_KEY),
    {"": "gpt-double"},
    vllm_form,
    VLLM_SEES,
    OPENAI.places,
    answers(_OPENAI_IDS, Counts(9, 4), _OPENAI_COUNTS, (_THOUGHTS, 0)),
    {
        "error-400": OPENAI.refuses["error-400"],
        "error-401": rejected_key(),
        "error-500": failed(502, "EngineCore encountered an issue"),
    },
    {
        "dies": (BEGUN, failed(502, "EngineCore encountered an issue")),
        "mute": (TEXT, failed(502, "without saying that the answer is complete")),
    },
)

OLLAMA = Upstream(
    "ollama",
    OllamaDouble,
    {
        "": "llama3.2",
        "image": "llava:7b",
        "image by URL": "llava:7b",
        "reasoning": "qwen3:8b",
        "usage": "qwen3:8b",
    },
    ollama_form,
    OLLAMA_SEES,
    {
        "seed": "options.seed",
        "presence_penalty": "options.presence_penalty",
        "num_ctx": "options.num_ctx",
        "keep_alive": "keep_alive",
    },
    answers(
        ("call_double_0", "call_double_1"),
        Counts(26),
        {"text": 8, "call": 1, "calls": 1, "thought": 3},
        ("".join(ollama_words.THOUGHTS), 0),
    ),
    {
        "nope": refused(404, "model 'nope' not found", "invalid_request_error", "model_not_found"),
        "broken": failed(502, "llama runner process has terminated"),
        "busy": failed(503, "server busy"),
    },
    {
        "dies": (BEGUN, failed(502, "an error was encountered while running the model")),
        "mute": (TEXT, failed(502, "without saying that the answer is complete")),
    },
)

_SIGNED = signature("".join(anthropic_double.THOUGHTS))

ANTHROPIC = Upstream(
    "anthropic",
    lambda: anthropic_double.AnthropicDouble(UPSTREAM_KEY),
    {"": "claude-double-4-5"},
    anthropic_form,
    ANTHROPIC_SEES,
    {
        "user": "metadata",
        "tool_choice": "tool_choice",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    },
    {
        **answers(
            ("toolu_double_0", "toolu_double_1"),
            Counts(15, 4, 2),
            {"text": 8, "call": 4, "calls": 8, "thought": 3},
            ("".join(anthropic_double.THOUGHTS), 2),
            _SIGNED,
            _SIGNED,
        ),
        "JSON without a schema": Said(TEXT, counts=Counts(15, 4, 2, 8)),
    },
    {
        "error-400": refused(400, "prompt is too long", "invalid_request_error", "invalid_request"),
        "error-401": rejected_key(),
        "error-429": refused(
            429, "exceed your rate limit", "rate_limit_error", "rate_limit", retry_after="7"
        ),
        "error-500": failed(502, "Internal server error"),
        "error-529": failed(529, "Overloaded", retry_after="7"),
    },
    {
        "dies": (BEGUN, failed(529, "Overloaded")),
        "mute": (TEXT, failed(502, "without saying that the answer is complete")),
    },
)

GEMINI = Upstream(
    "gemini",
    lambda: gemini_double.GeminiDouble(UPSTREAM_KEY),
    {"": "gemini-2.5-double", "reasoning": "gemini-3-double", "usage": "gemini-3-double"},
    gemini_form,
    GEMINI_SEES,
    {
        "seed": "generationConfig.seed",
        "presence_penalty": "generationConfig.presencePenalty",
        "tool_choice": "toolConfig",
    },
    {
        **answers(
            ("call_resp-double-1_0_0", "call_resp-double-1_0_1"),
            Counts(9, 4),
            {"text": 8, "call": 1, "calls": 1, "thought": 3},
            ("".join(gemini_double.THOUGHTS), 2),
            gemini_rules.signature("get_weather"),
            gemini_rules.signature(""),
        ),
        # What names no call gets its name from the gateway, but for its own clients.
        **{
            (ask, "gemini"): Said(
                calls=tuple(Call("", name) for name in ("get_weather", "get_time")[:number]),
                finish="tool_calls",
                counts=Counts(9, 4, answer=1),
            )
            for ask, number in (("tools", 1), ("parallel", 2), ("results", 2))
        },
        # The newer model, which thinks, names its calls.
        "reasoning": Said(
            thought="".join(gemini_double.THOUGHTS),
            calls=(Call("fc-0", "get_weather"),),
            finish="tool_calls",
            signature=gemini_rules.signature("get_weather"),
            counts=Counts(9, 4, answer=3, thoughts=2),
        ),
    },
    {
        "error-400": refused(
            400, "exceeds the maximum number of tokens", "invalid_request_error", "invalid_request"
        ),
        "error-403": rejected_key(),
        "error-429": refused(
            429, "exceeded your current quota", "rate_limit_error", "rate_limit", retry_after="7"
        ),
        "error-500": failed(502, "An internal error has occurred"),
        "error-503": failed(503, "The model is overloaded"),
    },
    {
        "dies": (BEGUN, failed(503, "The model is overloaded")),
        "mute": (
            "".join(openai_words.WORDS[:-1]),
            failed(502, "without saying that the answer is complete"),
        ),
    },
)

UPSTREAMS = {upstream.name: upstream for upstream in (OPENAI, VLLM, OLLAMA, ANTHROPIC, GEMINI)}
