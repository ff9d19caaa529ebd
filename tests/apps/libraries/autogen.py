"""AutoGen: an assistant with one function, whole and streamed, over its clients of two dialects."""

import asyncio
import os

from autogen_agentchat.agents import AssistantAgent


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


name = os.environ["MODEL"]
info = {
    "vision": False,
    "function_calling": True,
    "json_output": True,
    "structured_output": True,
    "family": "unknown",
}
if os.environ["WAY"] == "chat":
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    client = OpenAIChatCompletionClient(
        model=name, base_url=os.environ["OPENAI_BASE_URL"], api_key="k", model_info=info
    )
else:
    from autogen_ext.models.ollama import OllamaChatCompletionClient

    client = OllamaChatCompletionClient(model=name, host=os.environ["OLLAMA_HOST"], model_info=info)


async def run() -> None:
    """Both ways give the same words."""
    said = set()
    for stream in (False, True):
        agent = AssistantAgent(
            "a", client, tools=[get_weather], reflect_on_tool_use=True, model_client_stream=stream
        )
        said.add((await agent.run(task=os.environ["TASK"])).messages[-1].content)
    (whole,) = said
    print(whole)


asyncio.run(run())
