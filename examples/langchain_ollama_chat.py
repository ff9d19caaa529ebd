"""LangChain's model for Ollama: invoke, stream, tools, an object as answer. pip install langchain-ollama"""

from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from pydantic import BaseModel

GATEWAY = "http://127.0.0.1:8080/ollama"
demo = ChatOllama(model="demo", base_url=GATEWAY)

print(demo.invoke("Name a river.").text)
for chunk in demo.stream("Name another river."):
    print(chunk.text, end="", flush=True)
print()


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"It is sunny in {city}."


class Reply(BaseModel):
    answer: int


# "llama3.2" stands for a model of yours that can do this; "demo" only echoes.
model = ChatOllama(model="llama3.2", base_url=GATEWAY)
print(model.bind_tools([get_weather]).invoke("What is the weather in Paris?").tool_calls)
print(model.with_structured_output(Reply).invoke("What is six times seven?"))
