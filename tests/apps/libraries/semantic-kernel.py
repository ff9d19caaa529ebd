"""Semantic Kernel: an agent with one function, whole and streamed, by chat or by Responses."""

import asyncio
import os

from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent, OpenAIResponsesAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function


class Weather:
    """A plugin of one function."""

    @kernel_function(name="get_weather", description="The weather of a city.")
    def get_weather(self, city: str) -> str:
        """Rain."""
        return f"rain in {city}"


async def run() -> None:
    """Both ways give the same words."""
    name, client = os.environ["MODEL"], AsyncOpenAI()
    if os.environ["WAY"] == "chat":
        service = OpenAIChatCompletion(ai_model_id=name, async_client=client)
        agent = ChatCompletionAgent(service=service, name="a", plugins=[Weather()])
    else:
        agent = OpenAIResponsesAgent(
            ai_model_id=name, client=client, name="a", plugins=[Weather()], store_enabled=False
        )
    whole = str((await agent.get_response(messages=os.environ["TASK"])).message)
    pieces = [str(piece.message) async for piece in agent.invoke_stream(messages=os.environ["TASK"])]
    assert whole in "".join(pieces), pieces
    print(whole)


asyncio.run(run())
