"""Haystack: an agent with one function, whole and streamed, over its chat generators of three dialects."""

import os

from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from haystack.utils import Secret


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


way, more = os.environ["WAY"], {}
if way == "ollama":
    from haystack_integrations.components.generators.ollama import OllamaChatGenerator as Model

    more = {"url": os.environ["OLLAMA_HOST"]}
else:
    if way == "chat":
        from haystack.components.generators.chat import OpenAIChatGenerator as Model
    else:
        from haystack.components.generators.chat import OpenAIResponsesChatGenerator as Model
    more = {"api_base_url": os.environ["OPENAI_BASE_URL"], "api_key": Secret.from_token("k")}
pieces: list[str] = []
agent = Agent(chat_generator=Model(model=os.environ["MODEL"], **more), tools=[get_weather])
messages = [ChatMessage.from_user(os.environ["TASK"])]
whole = agent.run(messages)["last_message"].text
streamed = agent.run(messages, streaming_callback=lambda chunk: pieces.append(chunk.content or ""))
assert whole == streamed["last_message"].text
assert whole in "".join(pieces), pieces
print(whole)
