"""The model servers that people run on their own machines: on which ports they usually listen, and what a row for one is.
Data.

Sources: each program's own documents; what was seen on the wire stands with the answers in ``tests/data/servers``.
"""

from __future__ import annotations

from dataclasses import dataclass

MODELS = "/v1/models"


@dataclass(frozen=True, slots=True)
class Kind:
    """``name``: of the provider; ``title``: for people; ``ports``: where it usually listens; ``asks``: what tells it apart,
    beside ``GET /v1/models``; ``base``: what stands behind the address in ``api_host``; ``lists``: where it lists its
    models."""

    name: str
    title: str
    ports: tuple[int, ...] = ()
    asks: tuple[str, ...] = ()
    api_type: str = "openai"
    base: str = "/v1"
    lists: str = MODELS


OLLAMA = Kind("ollama", "Ollama", (11434,), ("/api/version", "/api/tags"), "ollama", "", "/api/tags")
LM_STUDIO = Kind("lmstudio", "LM Studio", (1234,), ("/api/v0/models", "/api/v1/models"))
LLAMA_CPP = Kind("llamacpp", "llama.cpp", (8080,), ("/props",))
VLLM = Kind("vllm", "vLLM", (8000,), ("/version",), "vllm")
SGLANG = Kind("sglang", "SGLang", (30000,), ("/get_model_info", "/server_info"))
TGI = Kind("tgi", "TGI", (8080, 3000), ("/info",))
JAN = Kind("jan", "Jan", (1337,))
LOCAL_AI = Kind("localai", "LocalAI", (8080,), ("/readyz",))
LLAMA_SWAP = Kind("llama-swap", "llama-swap", (8080,))
MLX = Kind("mlx", "mlx_lm", (8080,))
KOBOLD = Kind("koboldcpp", "KoboldCpp", (5001,), ("/api/extra/version",))
TEXTGEN = Kind("textgen", "text-generation-webui", (5000,))
GPT4ALL = Kind("gpt4all", "GPT4All", (4891,))
DOCKER = Kind(
    *("docker", "Docker Model Runner", (12434,), ("/engines/v1/models",)),
    base="/engines/v1",
    lists="/engines/v1/models",
)
LEMONADE = Kind("lemonade", "Lemonade", (8000,), ("/api/v1/models",), base="/api/v1", lists="/api/v1/models")
EXO = Kind("exo", "exo", (52415,))
LITELLM = Kind("litellm", "LiteLLM", (4000,), ("/health/liveliness",))

KINDS = (
    *(OLLAMA, LM_STUDIO, LLAMA_CPP, VLLM, SGLANG, TGI, JAN, LOCAL_AI, LLAMA_SWAP, MLX, KOBOLD),
    *(TEXTGEN, GPT4ALL, DOCKER, LEMONADE, EXO, LITELLM),
)
#: In the order of the table.
PORTS = tuple(dict.fromkeys(port for kind in KINDS for port in kind.ports))


def kinds_at(port: int) -> tuple[Kind, ...]:
    """Those that usually listen there; all, where none does."""
    return tuple(kind for kind in KINDS if port in kind.ports) or KINDS


def questions(port: int) -> tuple[str, ...]:
    """The paths that are asked at ``port``."""
    asked = (path for kind in kinds_at(port) for path in kind.asks)
    return tuple(dict.fromkeys((MODELS, *asked)))


def usual_at(port: int) -> str:
    """Who most usually listens there, for people; empty where nobody does."""
    return next((kind.title for kind in KINDS if port in kind.ports), "")
