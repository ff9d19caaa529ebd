"""Ollama's client: whole, streamed, a function as a tool, a format, embeddings. pip install ollama

Any model of the gateway answers, also one of another kind of server. Programs that are configured by the environment
take OLLAMA_HOST=http://127.0.0.1:8080/ollama
"""

from ollama import Client

client = Client(host="http://127.0.0.1:8080/ollama")
messages = [{"role": "user", "content": "What is the weather in Paris?"}]

print(client.chat("demo", messages).message.content)
for part in client.chat("demo", messages, stream=True):
    print(part.message.content, end="", flush=True)
print()


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city.
    """
    return f"It is sunny in {city}."


# "llama3.2" and "nomic-embed-text" stand for models of yours; "demo" only echoes.
answer = client.chat("llama3.2", messages, tools=[get_weather])
for call in answer.message.tool_calls or []:
    messages += [
        answer.message,
        {"role": "tool", "tool_name": call.function.name, "content": get_weather(**call.function.arguments)},
    ]
print(client.chat("llama3.2", messages, tools=[get_weather]).message.content)

schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
print(client.chat("llama3.2", messages, format=schema).message.content)

print(client.embed("nomic-embed-text", ["one text", "another"]).embeddings)
