"""Pydantic AI: an agent with a tool, and one whose answer is an object. pip install 'pydantic-ai-slim[openai]'"""

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

# "llama3.2" stands for a model of yours that can call tools, at whatever server.
provider = OpenAIProvider(base_url="http://127.0.0.1:8080/v1", api_key="unused")
model = OpenAIChatModel("llama3.2", provider=provider)
agent = Agent(model, instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


class Reply(BaseModel):
    answer: int


print(agent.run_sync("What is the weather in Paris?").output)
print(Agent(model, output_type=NativeOutput(Reply)).run_sync("What is six times seven?").output)
