"""What the Ollama double says: models, the lines of an answer, and its metrics. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

VERSION = "0.18.0"
#: Full name -> capabilities, as /api/show lists them.
MODELS: dict[str, tuple[str, ...]] = {
    "llama3.2:latest": ("completion", "tools"),
    "qwen3:8b": ("completion", "tools", "thinking"),
    "llava:7b": ("completion", "vision"),
    "nomic-embed-text:latest": ("embedding",),
    "dies:latest": ("completion",),
    "mute:latest": ("completion",),
    "busy:latest": ("completion",),
    "broken:latest": ("completion",),
}
WORDS = ("Hello", " from", " the", " double:", " zażółć", " 漢字", " 😀", '\n"done".')
THOUGHTS = ("Let", " me", " think.")
JSON_WORDS = ('{"answer"', ": ", "42}")
CREATED = "2026-11-22T10:00:00.123456789Z"
#: The end of a stream that dies: the status is long sent, so the error is a line.
LAST_WORDS = {"error": "an error was encountered while running the model: unexpected EOF"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a valid request, in the shape of its endpoint."""

    kind: Literal["chat", "generate"]
    name: str
    body: dict[str, Any]

    def line(
        self, text: str, *, done: bool = False, thinking: str = "", calls: Any = None, **more: Any
    ) -> dict[str, Any]:
        """One object; ``thinking`` and ``tool_calls`` are left out when empty, as Go's omitempty does."""
        if self.kind == "generate":
            said: dict[str, Any] = {"response": text, **({"thinking": thinking} if thinking else {})}
        else:
            message: dict[str, Any] = {"role": "assistant", "content": text}
            if thinking:
                message["thinking"] = thinking
            if calls:
                message["tool_calls"] = calls
            said = {"message": message}
        return {"model": self.body["model"], "created_at": CREATED, **said, "done": done, **more}

    def word(self, text: str) -> dict[str, Any]:
        """A line with one word, and its log probability if that is wanted."""
        if not self.body.get("logprobs"):
            return self.line(text)
        token = {"token": text, "logprob": -0.25, "bytes": list(text.encode())}
        others = [token] * min(1, self.body.get("top_logprobs") or 0)
        return self.line(text, logprobs=[{**token, **({"top_logprobs": others} if others else {})}])

    @property
    def thoughts(self) -> tuple[str, ...]:
        """A thinking model thinks unless it is told not to."""
        thinks = "thinking" in MODELS[self.name] and self.body.get("think") is not False
        return THOUGHTS if thinks else ()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Whole tool calls, one for each of the first two tools, unless the last message is a tool's."""
        tools, messages = self.body.get("tools") or [], self.body.get("messages") or [{}]
        if messages[-1].get("role") == "tool":
            return []
        return [
            {
                "id": f"call_double_{index}",
                "function": {
                    "index": index,
                    "name": tool["function"]["name"],
                    "arguments": {"city": "Paris"},
                },
            }
            for index, tool in enumerate(tools[:2])
        ]

    @property
    def words(self) -> tuple[str, ...]:
        """The text as it is streamed."""
        if self.calls:
            return ()
        return JSON_WORDS if self.body.get("format") else WORDS

    @property
    def limit(self) -> int:
        """How many tokens may come; negative is no limit."""
        limit = (self.body.get("options") or {}).get("num_predict", -1)
        return limit if limit >= 0 else len(WORDS) + len(THOUGHTS)

    @property
    def count(self) -> int:
        """How many tokens come."""
        return min(self.limit, len(self.thoughts) + max(1, len(self.words)))

    def joined(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        """The same answer without streaming: one object, texts joined."""
        key = "message" if self.kind == "chat" else None
        said = [part[key] if key else part for part in parts]
        text = "".join(item.get("content" if key else "response", "") for item in said)
        thinking = "".join(item.get("thinking", "") for item in said)
        calls = [call for item in said for call in item.get("tool_calls", [])]
        tokens = [token for part in parts for token in part.get("logprobs", [])]
        last = {
            k: v
            for k, v in parts[-1].items()
            if k not in ("model", "created_at", "message", "response", "done")
        }
        return self.line(
            text,
            done=True,
            thinking=thinking,
            calls=calls,
            **last,
            **({"logprobs": tokens} if tokens else {}),
        )


def lines(answer: Answer, measured: dict[str, int]) -> list[dict[str, Any]]:
    """Every line of the stream: thoughts, then calls or words, then the end."""
    said = [answer.line("", thinking=thought) for thought in answer.thoughts]
    said += (
        [answer.line("", calls=answer.calls)]
        if answer.calls
        else [answer.word(word) for word in answer.words]
    )
    if answer.name == "dies:latest":
        return [*said[:2], LAST_WORDS]
    if answer.name == "mute:latest":
        return said
    cut = len(said) > answer.limit
    end: dict[str, Any] = {"done_reason": "length" if cut else "stop", **measured}
    if answer.kind == "generate" and not answer.body.get("raw"):
        end["context"] = list(range(1000, 1300))  # one number a token of the whole conversation: a long line
    return [*said[: answer.limit], answer.line("", done=True, **end)]


def metrics(*, cold: bool, cached: bool, answered: int) -> dict[str, int]:
    """Nanoseconds and counts; a zero is left out, so a cached prompt has no ``prompt_eval_count``."""
    values = {
        "total_duration": 5_043_500_667,
        "load_duration": 5_025_959 if cold else 0,
        "prompt_eval_count": 0 if cached else 26,
        "prompt_eval_duration": 0 if cached else 325_953_000,
        "eval_count": answered,
        "eval_duration": 4_709_213_000,
    }
    return {name: value for name, value in values.items() if value}


def full_name(name: str) -> str:
    """A model's name with its tag."""
    return name if ":" in name else f"{name}:latest"


def describe(name: str) -> dict[str, Any]:
    """One entry of /api/tags."""
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }
    when = "2026-11-01T08:00:00.123456789+01:00"
    return {
        "name": name,
        "model": name,
        "modified_at": when,
        "size": 2_019_393_189,
        "digest": "a8" * 32,
        "details": details,
    }
