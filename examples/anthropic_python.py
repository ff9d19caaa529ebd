"""Anthropic's client: whole, streamed, the tool runner. pip install anthropic"""

from anthropic import Anthropic, beta_tool

# The base URL is without /v1. The gateway holds the keys; this library only wants to have one.
client = Anthropic(base_url="http://127.0.0.1:8080", api_key="unused")
messages = [{"role": "user", "content": "What is the weather in Paris?"}]

message = client.messages.create(model="demo", max_tokens=500, messages=messages)
print(message.content[0].text)

with client.messages.stream(model="demo", max_tokens=500, messages=messages) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()


@beta_tool
def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city.
    """
    return f"It is sunny in {city}."


# "llama3.2" stands for a model of yours that can call tools, at whatever server.
runner = client.beta.messages.tool_runner(
    model="llama3.2", max_tokens=500, messages=messages, tools=[get_weather]
)
print(runner.until_done().content[-1].text)
