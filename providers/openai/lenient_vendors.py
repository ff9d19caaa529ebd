"""Vendors, and programs that run open models, that ignore fields which they do not know.

The hosted ones have a host; the programs run anywhere, so the configuration names them. Sources: see ``providers.vendors``.
"""

from __future__ import annotations

from providers.openai.vendor import CLIENT_SIDE, Vendor, models

DEEPSEEK = Vendor(
    "deepseek",
    "DeepSeek",
    ("api.deepseek.com",),
    limit="max_tokens",
    system="apart",
    pairs=True,  # "insufficient tool messages following tool_calls message"
    thoughts=("reasoning_content",),
    must_think=True,  # api-docs.deepseek.com/guides/thinking_mode: with calls it "must be passed back"
    tool_names=True,
)
OPENROUTER = Vendor(
    "openrouter",
    "OpenRouter",
    ("openrouter.ai",),
    file_urls=True,  # openrouter.ai/docs/features/multimodal/pdfs: ``file_data`` is a URL or data
    user_length=128,  # BerriAI/litellm and looplj/axonhub#1669
    cache_keys=True,
    marks=True,
    signed=True,
    system="apart",
    thoughts=("reasoning", "reasoning_content"),
    responses=True,
    completions=True,
    tool_names=True,
)
XAI = Vendor(
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
)
TOGETHER = Vendor(
    "together",
    "Together",
    ("api.together.ai", "api.together.xyz"),
    limit="max_tokens",
    system="apart",
    thoughts=("reasoning", "reasoning_content"),
    strict_tools=False,
    completions=True,
)
MOONSHOT = Vendor(
    "moonshot",
    "Moonshot",
    ("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
    cache_keys=True,
    system="apart",
    pairs=True,  # "tool_call_id  is not found"
    thoughts=("reasoning_content",),
    empty_turns=False,
    must_think=True,  # "reasoning_content is missing in assistant tool call message" (continuedev/continue#11600)
    strict_tools=False,
    any_of_alone=True,  # "when using anyOf, type should be defined in anyOf items instead of the parent schema"
    tool_names=True,
)
ZAI = Vendor(
    "zai",
    "Z.ai",
    ("api.z.ai", "open.bigmodel.cn"),
    limit="max_tokens",
    empty_turns=False,
    efforts=("low", "high", "max"),  # the rest is an error 1210 (mnfst/modelparams.dev#327)
    user_length=128,
    system="apart",
    thoughts=("reasoning_content",),
    tool_names=True,
)
DEEPINFRA = Vendor(
    "deepinfra", "DeepInfra", ("api.deepinfra.com",), limit="max_tokens", completions=True, system="apart"
)
SAMBANOVA = Vendor("sambanova", "SambaNova", ("api.sambanova.ai",), strict_tools=False)
HUGGINGFACE = Vendor("huggingface", "Hugging Face router", ("router.huggingface.co",), limit="max_tokens")
#: Programs that run open models: whatever host they are on, the configuration says so.
SGLANG = Vendor(
    "sglang",
    "SGLang",
    grammar=True,
    responses=True,
    completions=True,
    # Its request knows two tools that run there, and no format (sglang, entrypoints/openai/protocol.py).
    responses_lack=CLIENT_SIDE | {"functions", "schemas", "json", "effort", "tool_choice", "logprobs"},
)
LLAMACPP = Vendor(
    "llamacpp",
    "llama.cpp",
    grammar=True,
    responses=True,
    completions=True,
    # It makes a chat of the request, and leaves out or refuses the rest (convert_responses_to_chatcmpl; seen at the server).
    responses_lack=CLIENT_SIDE
    | frozenset(
        "kept hosted_tools tool_choice schemas json effort logprobs files short_turns thoughts".split()
    ),
    responses_sparse=True,
)
LMSTUDIO = Vendor(
    "lmstudio",
    "LM Studio",
    grammar=True,
    responses=True,
    completions=True,
    # lmstudio.ai/docs has formats for chats only.
    responses_lack=CLIENT_SIDE | {"schemas", "json"},
)
VLLM = Vendor(
    "vllm",
    "vLLM",
    refuses=frozenset(
        {"typical_p", "repeat_last_n", "num_ctx", "keep_alive"}
    ),  # ignored, and that in silence
    thoughts=("reasoning", "reasoning_content"),
    grammar=True,
    responses=True,
    completions=True,
    responses_lack=CLIENT_SIDE
    | {"json"},  # of formats it reads schemas only (ResponsesRequest.to_sampling_params)
)
TGI = Vendor(
    "tgi",
    "Text Generation Inference",
    limit="max_tokens",
    alternates=True,  # "Conversation roles must alternate user/assistant/user/assistant/" (its issue 3198)
    grammar=True,
    completions=True,
)
OLLAMA = Vendor(
    "ollama",
    "Ollama's /v1",
    limit="max_tokens",
    thoughts=("reasoning", "reasoning_content"),
    responses=True,
    completions=True,
    # ollama, openai/responses.go: kept answers, choices of tools and log probabilities are ignored, every tool is read as a
    # function, and what another has encrypted as a thought in plain words.
    responses_lack=CLIENT_SIDE
    | frozenset("kept hosted_tools tool_choice json logprobs files thoughts".split()),
)
LITELLM = Vendor(
    "litellm",
    "LiteLLM",
    cache_keys=True,
    marks=True,
    signed=True,
    system="apart",
    responses=True,
    completions=True,
)
LENIENT = Vendor("lenient", "any other server", signed=True)
