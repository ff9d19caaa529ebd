"""OpenAI's client: a loop of tools, over whatever upstream the model has. pip install openai"""

import json

from openai import OpenAI

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


def get_weather(city: str) -> str:
    return f"It is sunny in {city}."


client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="unused")
messages = [{"role": "user", "content": "What is the weather in Paris?"}]
while True:
    message = (
        client.chat.completions.create(model="llama3.2", messages=messages, tools=TOOLS).choices[0].message
    )
    if not message.tool_calls:
        break
    messages.append(message)
    for call in message.tool_calls:
        result = get_weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        print("called", call.function.name, call.function.arguments)
print(message.content)
