"""The vendors of OpenAI's dialect, one frozen row for each: what it takes, refuses, and calls by another name.

A row is implied by the host, by the preset that a provider's name is, or by the ``api_type``; the field ``vendor`` of the
configuration sets it. A server that nobody knows is ``lenient``: it gets what works for most, which are programs that run
open models (vLLM, llama.cpp and the gateways before them). They ignore fields that they do not know, know no developer, and
render messages through templates that want one text of the system, in front.

Sources: each vendor's API reference and the types in its own Python client (groq 1.7, cerebras-cloud-sdk 1.91, mistralai 3.7,
openrouter 1.3, perplexityai 0.46, together 3.1, openai 3.54), and reports that quote a vendor's refusal, named beside
the row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

from llm_proxy.wire.calls import Deployment
from providers.openai.vendor import COMMON, OPENAI, Vendor, models

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SAMPLING = "temperature top_p presence_penalty frequency_penalty logit_bias logprobs top_logprobs"
_EMBEDDINGS = frozenset({"model", "input", "dimensions", "encoding_format", "user"})

_OPENAI = Vendor(
    "openai",
    "OpenAI",
    ("api.openai.com",),
    params=OPENAI,
    limit="max_completion_tokens",
    models=models(
        (r"(gpt-3|gpt-4|chatgpt|gpt-5(\.\d+)?-chat)", "reasoning_effort"),
        # platform.openai.com/docs/guides/latest-model: from 5.1 on these pass where the effort is none.
        (r"(o[134](-|$)|gpt-5(-(mini|nano|codex|pro))?(-\d|$))", _SAMPLING),
    ),
    cache_keys=True,
    strict=True,
    fields=frozenset({"audio", "function_call", "refusal"}),
    part_fields=frozenset({"prompt_cache_breakpoint"}),
    developer=True,
    system="anywhere",
    thoughts=(),
    # An id that is longer is refused: "string too long. Expected a string with maximum length 40".
    call_id=re.compile(r".{1,40}", re.DOTALL),
    tool_name=_NAME,
    items=True,
    embeddings=_EMBEDDINGS,
    responses=True,
    completions=True,
)
_AZURE = replace(
    _OPENAI,
    name="azure",
    title="Azure OpenAI",
    hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
    params=OPENAI | {"data_sources"},
)
_GROQ = Vendor(
    "groq",
    "Groq",
    ("api.groq.com",),
    # "currently not supported and will result in a 400 error": console.groq.com/docs/openai. Any other unknown field is one
    # too: "property 'reasoning_content' is unsupported" (janhq/jan#8136), "... 'prompt_cache_key' ..." (eigent-ai/eigent#1827).
    params=(COMMON - {"logprobs", "logit_bias", "top_logprobs", "prediction"})
    | frozenset(
        "service_tier include_reasoning reasoning_format citation_options compound_custom documents search_settings "
        "disable_tool_validation include_domains exclude_domains".split()
    ),
    efforts=("none", "default", "low", "medium", "high"),
    models=models((r"(llama|gemma|mixtral|mistral|allam|compound|kimi-k2-instruct)", "reasoning_effort")),
    strict=True,
    names=False,
    system="apart",
    thoughts=(),
    responses=True,
)
_MISTRAL = Vendor(
    "mistral",
    "Mistral",
    ("api.mistral.ai", "codestral.mistral.ai"),
    # "Extra inputs are not permitted" for max_completion_tokens (editor-code-assistant/eca#231), for reasoning_content
    # (charmbracelet/crush#1590), for a user's name (nomtek/mistralai_client_dart#44).
    params=(COMMON - {"max_completion_tokens", "seed", "user", "logit_bias", "stream_options"})
    | frozenset(
        "random_seed metadata min_tokens repetition_penalty top_k prompt_logprobs top_prompt_logprobs prompt_mode "
        "guardrails prompt_cache_key service_tier safe_prompt".split()
    ),
    renames=(("seed", "random_seed"),),
    limit="max_tokens",
    models=models((r"(codestral|ministral|pixtral|open-|voxtral)", "reasoning_effort")),
    cache_keys=True,
    stream_options=False,  # usage comes unasked
    strict=True,
    fields=frozenset({"prefix"}),
    names=False,
    thoughts=(),
    empty_turns=False,
    thinking_parts=True,
    pictures=True,
    # "Tool call id was ... but must be a-z, A-Z, 0-9, with a length of 9." (HKUDS/nanobot#1293)
    call_id=re.compile(r"[a-zA-Z0-9]{9}"),
    call_length=9,
    tool_name=_NAME,
    embeddings=frozenset(
        {"model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"}
    ),
    responses=True,
)
_DEEPSEEK = Vendor(
    "deepseek",
    "DeepSeek",
    ("api.deepseek.com",),
    limit="max_tokens",
    system="apart",
    thoughts=("reasoning_content",),
    must_think=True,  # api-docs.deepseek.com/guides/thinking_mode: with calls it "must be passed back"
    responses=True,
)
_OPENROUTER = Vendor(
    "openrouter",
    "OpenRouter",
    ("openrouter.ai",),
    user_length=128,  # BerriAI/litellm and looplj/axonhub#1669
    cache_keys=True,
    marks=True,
    system="apart",
    thoughts=("reasoning", "reasoning_content"),
    responses=True,
    completions=True,
)
_XAI = Vendor(
    "xai",
    "xAI",
    ("api.x.ai",),
    # "Model ... does not support parameter reasoningEffort" (NousResearch/hermes-agent#23435 has the list), "Argument not
    # supported on this model: presencePenalty" (yym68686/uni-api#105).
    models=models(
        (r"grok-(2|3(?!-mini)|4(-|$)|4\.20-\d|code)", "reasoning_effort"),
        (r"grok-(3-mini|[4-9]|code)", "presence_penalty frequency_penalty stop"),
    ),
    empty_turns=False,
    cache_keys=True,
    system="apart",
    responses=True,
)
_TOGETHER = Vendor(
    "together",
    "Together",
    ("api.together.ai", "api.together.xyz"),
    limit="max_tokens",
    system="apart",
    thoughts=("reasoning", "reasoning_content"),
    strict_tools=False,
    completions=True,
)
_FIREWORKS = Vendor(
    "fireworks",
    "Fireworks",
    ("api.fireworks.ai",),
    # "Extra inputs are not permitted" for a mark for a cache
    # (musistudio/claude-code-router#377); the field ``reasoning`` of a history is refused (maximhq/bifrost#2405).
    params=COMMON
    | frozenset(
        "top_k min_p typical_p repetition_penalty mirostat_lr mirostat_target reasoning_history thinking ignore_eos echo "
        "context_length_exceeded_behavior prompt_truncate_len raw_output return_token_ids perf_metrics_in_response "
        "prompt_cache_isolation_key speculation metadata service_tier functions function_call".split()
    ),
    strict=True,
    fields=frozenset({"reasoning_content"}),
    system="apart",
    thoughts=("reasoning_content",),
    responses=True,
    completions=True,
)
_MOONSHOT = Vendor(
    "moonshot",
    "Moonshot",
    ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
    cache_keys=True,
    system="apart",
    thoughts=("reasoning_content",),
    empty_turns=False,
    must_think=True,  # "reasoning_content is missing in assistant tool call message" (continuedev/continue#11600)
    strict_tools=False,
    any_of_alone=True,  # "when using anyOf, type should be defined in anyOf items instead of the parent schema"
)
_ZAI = Vendor(
    "zai",
    "Z.ai",
    ("api.z.ai", "open.bigmodel.cn"),
    limit="max_tokens",
    empty_turns=False,
    efforts=("low", "high", "max"),  # the rest is an error 1210 (mnfst/modelparams.dev#327)
    user_length=128,
    system="apart",
    thoughts=("reasoning_content",),
)
_CEREBRAS = Vendor(
    "cerebras",
    "Cerebras",
    ("api.cerebras.ai",),
    # "property 'body.store' is unsupported" (Gitlawb/openclaude#740); reasoning_content is refused, reasoning is taken
    # (QwenLM/qwen-code#11045).
    params=COMMON
    | frozenset(
        "clear_thinking disable_reasoning min_completion_tokens min_tokens model_parameters prompt_cache_key "
        "reasoning_format service_tier".split()
    ),
    efforts=("none", "low", "medium", "high"),
    models=models((r"(llama|qwen-3-(coder|.*instruct))", "reasoning_effort")),
    cache_keys=True,
    strict=True,
    fields=frozenset({"reasoning"}),
    system="apart",
    thoughts=("reasoning",),
    completions=True,
)
_NVIDIA = Vendor(
    "nvidia",
    "NVIDIA NIM",
    ("integrate.api.nvidia.com",),
    # "[{'type': 'extra_forbidden', 'loc': ('body', 'prompt_cache_key')" (sipeed/picoclaw#1019); the schema of each model is
    # closed (can1357/oh-my-pi#2299).
    params=(COMMON - {"prediction", "max_completion_tokens"})
    | frozenset(
        "top_k min_p repetition_penalty chat_template_kwargs nvext reasoning_budget min_tokens ignore_eos".split()
    ),
    limit="max_tokens",
    strict=True,
    fields=frozenset({"reasoning_content"}),
    thoughts=("reasoning_content",),
    empty_turns=False,
    joins=True,  # earendil-works/pi#1528
)
_PERPLEXITY = Vendor(
    "perplexity",
    "Perplexity",
    ("api.perplexity.ai",),
    refuses=frozenset({"seed", "logit_bias", "service_tier"}),
    limit="max_tokens",
    stream_options=False,  # usage comes unasked
    strict=True,
    names=False,
    empty_turns=False,
    alternates=True,  # "After the (optional) system message(s), user or tool message(s) should alternate with assistant"
    thoughts=(),
    responses=True,
)
_GOOGLE = Vendor(
    "google",
    "Gemini's OpenAI endpoint",
    ("googleapis.com",),
    # "Invalid JSON payload received. Unknown name "store": Cannot find field."
    params=(COMMON - {"user", "logit_bias", "seed"}) | frozenset({"extra_body", "google"}),
    empty_turns=False,
    efforts=("none", "minimal", "low", "medium", "high"),
    strict=True,
    fields=frozenset(
        {"extra_content"}
    ),  # ai.google.dev/gemini-api/docs/thought-signatures: they must come back
    names=False,
    thoughts=(),
)
_GITHUB = Vendor(
    "github",
    "GitHub Models and Copilot",
    ("models.github.ai", "models.inference.ai.azure.com", "githubcopilot.com"),
    params=COMMON,
    strict=True,
    system="apart",
    thoughts=(),
    call_id=re.compile(r".{1,40}", re.DOTALL),
    tool_name=_NAME,
    items=True,
)
_DEEPINFRA = Vendor(
    "deepinfra", "DeepInfra", ("api.deepinfra.com",), limit="max_tokens", completions=True, system="apart"
)
_SAMBANOVA = Vendor("sambanova", "SambaNova", ("api.sambanova.ai",), strict_tools=False)
_HUGGINGFACE = Vendor(
    "huggingface", "Hugging Face router", ("router.huggingface.co",), limit="max_tokens", responses=True
)

#: Programs that run open models: whatever host they are on, the configuration says so.
_LOCAL = Vendor("vllm", "vLLM", responses=True, completions=True, thoughts=("reasoning", "reasoning_content"))
_VLLM = replace(_LOCAL, refuses=frozenset({"typical_p", "repeat_last_n", "num_ctx", "keep_alive"}))
_SGLANG = replace(_LOCAL, name="sglang", title="SGLang", thoughts=("reasoning_content", "reasoning"))
_LLAMACPP = replace(_SGLANG, name="llamacpp", title="llama.cpp")
_LMSTUDIO = replace(_SGLANG, name="lmstudio", title="LM Studio")
_TGI = Vendor(
    "tgi",
    "Text Generation Inference",
    limit="max_tokens",
    alternates=True,  # "Conversation roles must alternate user/assistant/user/assistant/" (its issue 3198)
    completions=True,
)
_OLLAMA = Vendor(
    "ollama",
    "Ollama's /v1",
    limit="max_tokens",
    thoughts=("reasoning", "reasoning_content"),
    responses=True,
    completions=True,
)
_LITELLM = Vendor(
    "litellm",
    "LiteLLM",
    cache_keys=True,
    marks=True,
    signed=True,
    system="apart",
    responses=True,
    completions=True,
)

STRICT = Vendor(
    "strict", "any server that takes OpenAI's fields only", params=COMMON, strict=True, thoughts=()
)
LENIENT = Vendor("lenient", "any other server", signed=True)

VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        vendor.name: vendor
        for vendor in (
            *(
                _OPENAI,
                _AZURE,
                _CEREBRAS,
                _DEEPINFRA,
                _DEEPSEEK,
                _FIREWORKS,
                _GITHUB,
                _GOOGLE,
                _GROQ,
                _HUGGINGFACE,
            ),
            *(
                _LITELLM,
                _LLAMACPP,
                _LMSTUDIO,
                _MISTRAL,
                _MOONSHOT,
                _NVIDIA,
                _OLLAMA,
                _OPENROUTER,
                _PERPLEXITY,
            ),
            *(_SAMBANOVA, _SGLANG, _TGI, _TOGETHER, _VLLM, _XAI, _ZAI, STRICT, LENIENT),
        )
    }
)
_HOSTS = {host: vendor for vendor in VENDORS.values() for host in vendor.hosts}


@lru_cache(maxsize=1000)
def of_host(api_host: str) -> Vendor | None:
    """The vendor whose servers answer at ``api_host``, a base URL; None if that is nobody known."""
    labels = (urlsplit(api_host).hostname or "").rstrip(".").split(".")
    names = (".".join(labels[at:]) for at in range(len(labels)))
    return next((_HOSTS[name] for name in names if name in _HOSTS), None)


def vendor_of(deployment: Deployment) -> Vendor:
    """The row that calls to ``deployment`` obey."""
    if deployment.vendor:
        return VENDORS.get(deployment.vendor, LENIENT)
    return implied(deployment.api_type, deployment.api_host)


def implied(api_type: str, api_host: str) -> Vendor:
    """The row that follows from a dialect and a host."""
    return VENDORS["vllm"] if api_type == "vllm" else of_host(api_host) or LENIENT
