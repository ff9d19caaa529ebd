"""LiteLLM's SDK: a call, its result, and the answer after it, by the prefix of each dialect."""

import os

import litellm

way, url = os.environ["WAY"], os.environ["GATEWAY"]
prefix, base = {
    "chat": ("openai/", f"{url}/v1"),
    "responses": ("openai/responses/", f"{url}/v1"),
    "anthropic": ("anthropic/", url),
    "ollama": ("ollama_chat/", f"{url}/ollama"),
}[way]
schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": schema}}
messages = [{"role": "user", "content": os.environ["TASK"]}]
common = {
    "model": prefix + os.environ["MODEL"],
    "api_base": base,
    "api_key": "k",
    "tools": [tool],
    "max_tokens": 500,
}
called = litellm.completion(messages=messages, **common).choices[0].message
(call,) = called.tool_calls
messages += [called, {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
print(
    "".join(
        chunk.choices[0].delta.content or ""
        for chunk in litellm.completion(messages=messages, stream=True, **common)
    )
)
