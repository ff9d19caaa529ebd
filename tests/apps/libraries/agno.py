"""Agno: an agent with one function, over each of its models that fits."""

import os

from agno.agent import Agent


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


way, name = os.environ["WAY"], os.environ["MODEL"]
if way == "chat":
    from agno.models.openai import OpenAILike as Model
elif way == "responses":
    from agno.models.openai import OpenAIResponses as Model
elif way == "anthropic":
    from agno.models.anthropic import Claude as Model
else:
    from agno.models.ollama import Ollama as Model
more = {"base_url": os.environ["OPENAI_BASE_URL"], "api_key": "k"} if way in ("chat", "responses") else {}
more |= {"host": os.environ["OLLAMA_HOST"]} if way == "ollama" else {}
print(
    Agent(model=Model(id=name, **more), tools=[get_weather], telemetry=False).run(os.environ["TASK"]).content
)
