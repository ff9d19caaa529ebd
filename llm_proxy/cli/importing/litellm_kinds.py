"""LiteLLM's words for providers, and what they are here (docs.litellm.ai/docs/providers). Data, not code."""

from __future__ import annotations

import re

#: What stands before the slash of ``model``, and what it is here.
KINDS = {
    **{
        name: name
        for name in (
            "openai anthropic gemini ollama vllm groq mistral deepseek openrouter perplexity cerebras deepinfra sambanova "
            "huggingface moonshot xai zai github azure"
        ).split()
    },
    "ollama_chat": "ollama",
    "hosted_vllm": "vllm",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "nvidia_nim": "nvidia",
    "lm_studio": "lmstudio",
    "litellm_proxy": "litellm",
    "llamafile": "llamacpp",
    "custom_openai": "openai",
    "openai_like": "openai",
    "custom": "openai",
    "text-completion-openai": "openai",
    "azure_text": "azure",
    "codestral": "mistral",
}
#: Those that no adapter speaks to, and why.
FOREIGN = {
    "bedrock": "requests to AWS Bedrock are signed by AWS' own way, which no adapter here speaks",
    "sagemaker": "requests to AWS SageMaker are signed by AWS' own way, which no adapter here speaks",
    "vertex_ai": "Vertex AI signs in with Google's service accounts; gemini takes a key",
    "azure_ai": "give its address of OpenAI's dialect, as api_type openai",
    "cohere": "Cohere's own dialect is not spoken here; its address of OpenAI's dialect is https://api.cohere.ai/compatibility/v1",
    "watsonx": "watsonx signs in with IBM's tokens, which no adapter here makes",
    "replicate": "Replicate's own dialect is not spoken here",
    "databricks": "give its address of OpenAI's dialect, as api_type openai",
    "snowflake": "Snowflake's own dialect is not spoken here",
    "oci": "requests to Oracle are signed by Oracle's own way, which no adapter here speaks",
}
#: Other spellings of these.
FOREIGN_NAMES = {
    "cohere_chat": "cohere",
    "vertex_ai_beta": "vertex_ai",
    "bedrock_converse": "bedrock",
    "sagemaker_chat": "sagemaker",
}
#: Models that LiteLLM knows without a provider before them.
NAMES = (
    (
        re.compile(r"(gpt-|o\d|chatgpt-|text-embedding-|dall-e|whisper|tts-|omni-|davinci|babbage|codex-)"),
        "openai",
    ),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "gemini"),
)
#: What LiteLLM reads by itself where a row has no key.
VARIABLES = {
    "together": "TOGETHERAI_API_KEY",
    "huggingface": "HUGGINGFACE_API_KEY",
    "azure": "AZURE_API_KEY",
}
#: Servers of one's own, which ask for no key unless they are told to.
KEYLESS = ("ollama", "vllm", "lmstudio", "llamacpp", "litellm")
