"""LlamaIndex: a streamed chat, and its agent with one function, over its models of two dialects."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


name = os.environ["MODEL"]
if os.environ["WAY"] == "chat":
    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(
        model=name,
        api_base=os.environ["OPENAI_BASE_URL"],
        api_key="k",
        is_chat_model=True,
        is_function_calling_model=True,
    )
else:
    from llama_index.llms.ollama import Ollama

    model = Ollama(model=name, base_url=os.environ["OLLAMA_HOST"], context_window=8192)


async def run() -> str:
    """The agent's last words."""
    return str(await FunctionAgent(tools=[get_weather], llm=model).run(os.environ["TASK"]))


messages = [ChatMessage(role="user", content=os.environ["TASK"])]
whole = model.chat(messages).message.content
assert whole == "".join(piece.delta or "" for piece in model.stream_chat(messages))
assert whole == asyncio.run(run())
print(whole)
