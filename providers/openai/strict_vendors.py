"""Vendors that answer 400 to whatever they do not know: of each row the sources are those that ``providers.vendors`` names."""

from __future__ import annotations

import re
from dataclasses import replace

from providers.openai.vendor import COMMON, PARAMS, Vendor, models

_SAMPLING = "temperature top_p presence_penalty frequency_penalty logit_bias logprobs top_logprobs"
_EMBEDDINGS = frozenset({"model", "input", "dimensions", "encoding_format", "user"})

OPENAI = Vendor(
    "openai",
    "OpenAI",
    ("api.openai.com",),
    params=PARAMS,
    limit="max_completion_tokens",
    models=models(
        (r"(gpt-3|gpt-4|chatgpt|gpt-5(\.\d+)?-chat)", "reasoning_effort"),
        # platform.openai.com/docs/guides/latest-model: from 5.1 on these pass where the effort is none.
        (r"(o1|o3|o4|gpt-5(-mini|-nano|-codex|-pro)?)(-(?!chat)|$)", _SAMPLING),
        # "Not supported with latest reasoning models o3 and o4-mini" (openai-python, completion_create_params); "Unsupported
        # parameter: 'stop'" from gpt-5 (huggingface/smolagents#1662), 5.1 (#1868), 5.2 (#1893). o1 and o3-mini take it
        # (#1211), and so does 5.5 (BerriAI/litellm#28650).
        (r"(o3(?!-mini)|o4|gpt-5(\.[0-4])?)(-(?!chat)|$)", "stop"),
    ),
    stops=4,
    cache_keys=True,
    strict=True,
    fields=frozenset({"audio", "function_call", "refusal"}),
    part_fields=frozenset({"prompt_cache_breakpoint"}),
    developer=True,
    system="anywhere",
    pairs=True,  # "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
    thoughts=(),
    # An id that is longer is refused: "string too long. Expected a string with maximum length 40".
    call_id=re.compile(r".{1,40}", re.DOTALL),
    tool_names=True,
    items=True,
    embeddings=_EMBEDDINGS,
    responses=True,
    completions=True,
    responses_lack=frozenset(),
)
AZURE = replace(
    OPENAI,
    name="azure",
    title="Azure OpenAI",
    hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
    params=PARAMS | {"data_sources"},
)
GROQ = Vendor(
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
    stops=4,
    strict=True,
    names=False,
    system="apart",
    thoughts=(),
    tool_names=True,
)
MISTRAL = Vendor(
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
    pairs=True,  # "Not the same number of function calls and responses"
    fields=frozenset({"prefix"}),
    names=False,
    thoughts=(),
    empty_turns=False,
    thinking_parts=True,
    pictures=True,
    # "Tool call id was ... but must be a-z, A-Z, 0-9, with a length of 9." (HKUDS/nanobot#1293)
    call_id=re.compile(r"[a-zA-Z0-9]{9}"),
    call_length=9,
    tool_names=True,
    embeddings=frozenset(
        {"model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"}
    ),
)
FIREWORKS = Vendor(
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
    completions=True,
)
CEREBRAS = Vendor(
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
    stops=4,
    strict=True,
    fields=frozenset({"reasoning"}),
    system="apart",
    thoughts=("reasoning",),
    tool_names=True,
    completions=True,
)
NVIDIA = Vendor(
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
PERPLEXITY = Vendor(
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
)
GOOGLE = Vendor(
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
GITHUB = Vendor(
    "github",
    "GitHub Models and Copilot",
    ("models.github.ai", "models.inference.ai.azure.com", "githubcopilot.com"),
    params=COMMON,
    strict=True,
    pairs=True,
    system="apart",
    thoughts=(),
    call_id=re.compile(r".{1,40}", re.DOTALL),
    tool_names=True,
    items=True,
)
STRICT = Vendor(
    "strict",
    "any server that takes OpenAI's fields only",
    params=PARAMS,
    strict=True,
    pairs=True,
    thoughts=(),
    call_id=re.compile(r".{1,40}", re.DOTALL),
    tool_names=True,
)
