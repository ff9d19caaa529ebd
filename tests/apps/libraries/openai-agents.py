"""openai-agents: an agent with one function, by Responses (its default) or by chat."""

import os

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
from openai import AsyncOpenAI


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


name = os.environ["MODEL"]
model = OpenAIChatCompletionsModel(name, AsyncOpenAI()) if os.environ["WAY"] == "chat" else name
print(Runner.run_sync(Agent("a", model=model, tools=[get_weather]), os.environ["TASK"]).final_output)
