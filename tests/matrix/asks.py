"""What a client of each dialect sends, as JSON: ask by ask, without ``model`` and ``stream``."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

QUESTION = "Weather in Paris?"
SYSTEM = "Be brief."
#: One white pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
URL = "https://pictures.example/paris.png"
SCHEMA: Json = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
CITY: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather of a city."}
TIME = {"name": "get_time", "description": "The time in a city."}
#: What the client's tools answer; the second one fails.
RESULTS = ("22 °C", "no clock in Paris")

USER: Json = {"role": "user", "content": QUESTION}
FUNCTIONS: list[Json] = [
    {"type": "function", "function": {**about, "parameters": CITY}} for about in (WEATHER, TIME)
]
TOOLS: list[Json] = [{**about, "input_schema": CITY} for about in (WEATHER, TIME)]

OPENAI: dict[str, Json] = {
    "hello": {"messages": [USER], "max_tokens": 512},
    "plain": {
        "messages": [{"role": "system", "content": SYSTEM}, USER],
        "max_tokens": 512,
        "temperature": 0.5,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.25,
        "user": "u-1",
    },
    "tools": {
        "messages": [USER],
        "max_tokens": 512,
        "tools": FUNCTIONS[:1],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    },
    "parallel": {"messages": [USER], "max_tokens": 512, "tools": FUNCTIONS},
    "results": {"messages": [USER], "max_tokens": 512, "tools": FUNCTIONS},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ],
        "max_tokens": 512,
    },
    "image by URL": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image_url", "image_url": {"url": URL}},
                ],
            }
        ],
        "max_tokens": 512,
    },
    "reasoning": {
        "messages": [USER],
        "max_tokens": 512,
        "tools": FUNCTIONS[:1],
        "reasoning_effort": "medium",
    },
    "schema": {
        "messages": [USER],
        "max_tokens": 512,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    },
    "JSON without a schema": {
        "messages": [USER],
        "max_tokens": 512,
        "response_format": {"type": "json_object"},
    },
    "length": {"messages": [USER], "max_tokens": 3},
    "usage": {"messages": [USER], "max_tokens": 512, "reasoning_effort": "medium"},
}

ANTHROPIC: dict[str, Json] = {
    "hello": {"messages": [USER], "max_tokens": 512},
    "plain": {
        "system": SYSTEM,
        "messages": [USER],
        "max_tokens": 512,
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"},
    },
    "tools": {
        "messages": [USER],
        "max_tokens": 512,
        "tools": TOOLS[:1],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    },
    "parallel": {"messages": [USER], "max_tokens": 512, "tools": TOOLS},
    "results": {"messages": [USER], "max_tokens": 512, "tools": TOOLS},
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                    },
                ],
            }
        ],
        "max_tokens": 512,
    },
    "image by URL": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": QUESTION},
                    {"type": "image", "source": {"type": "url", "url": URL}},
                ],
            }
        ],
        "max_tokens": 512,
    },
    "reasoning": {
        "messages": [USER],
        "max_tokens": 512,
        "tools": TOOLS[:1],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
    },
    "schema": {
        "messages": [USER],
        "max_tokens": 512,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "length": {"messages": [USER], "max_tokens": 3},
    "usage": {
        "messages": [USER],
        "max_tokens": 512,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
    },
}

OLLAMA: dict[str, Json] = {
    "hello": {"messages": [USER], "options": {"num_predict": 512}},
    "plain": {
        "messages": [{"role": "system", "content": SYSTEM}, USER],
        "options": {
            "num_predict": 512,
            "temperature": 0.5,
            "stop": ["END"],
            "seed": 7,
            "presence_penalty": 0.25,
            "num_ctx": 8192,
        },
        "keep_alive": "5m",
    },
    "tools": {"messages": [USER], "options": {"num_predict": 512}, "tools": FUNCTIONS[:1]},
    "parallel": {"messages": [USER], "options": {"num_predict": 512}, "tools": FUNCTIONS},
    "results": {"messages": [USER], "options": {"num_predict": 512}, "tools": FUNCTIONS},
    "image": {"messages": [{**USER, "images": [PIXEL]}], "options": {"num_predict": 512}},
    "reasoning": {
        "messages": [USER],
        "options": {"num_predict": 512},
        "tools": FUNCTIONS[:1],
        "think": "medium",
    },
    "schema": {"messages": [USER], "options": {"num_predict": 512}, "format": SCHEMA},
    "JSON without a schema": {"messages": [USER], "options": {"num_predict": 512}, "format": "json"},
    "length": {"messages": [USER], "options": {"num_predict": 3}},
    "usage": {"messages": [USER], "options": {"num_predict": 512}, "think": "medium"},
}
