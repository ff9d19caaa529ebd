"""Strands: an agent with one function, over its models of three dialects."""

import os

from strands import Agent, tool


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


way, name = os.environ["WAY"], os.environ["MODEL"]
if way == "chat":
    from strands.models.openai import OpenAIModel

    model = OpenAIModel(
        client_args={"base_url": os.environ["OPENAI_BASE_URL"], "api_key": "k"}, model_id=name
    )
elif way == "anthropic":
    from strands.models.anthropic import AnthropicModel

    model = AnthropicModel(
        client_args={"base_url": os.environ["GATEWAY"], "api_key": "k"}, model_id=name, max_tokens=500
    )
else:
    from strands.models.ollama import OllamaModel

    model = OllamaModel(os.environ["OLLAMA_HOST"], model_id=name)
print(Agent(model=model, tools=[get_weather], callback_handler=None)(os.environ["TASK"]))
