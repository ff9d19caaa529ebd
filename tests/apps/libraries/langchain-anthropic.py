"""langchain-anthropic: a call of a bound function, its result, and the answer after it, whole and streamed."""

import os

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


model = ChatAnthropic(
    model=os.environ["MODEL"], base_url=os.environ["GATEWAY"], api_key="k", max_tokens=500
).bind_tools([get_weather])
messages = [HumanMessage(os.environ["TASK"])]
called = model.invoke(messages)
messages += [called, *(get_weather.invoke(call) for call in called.tool_calls)]
whole = model.invoke(messages).text
assert whole == "".join(piece.text for piece in model.stream(messages))
print(whole)
