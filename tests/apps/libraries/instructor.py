"""instructor: an object by a call of a function, whose fields come as the model's arguments."""

import os

import instructor
from openai import OpenAI
from pydantic import BaseModel


class get_weather(BaseModel):  # noqa: N801 (the scripted model calls functions of this name)
    """The weather of a city."""

    city: str


client = instructor.from_openai(OpenAI(), mode=instructor.Mode.TOOLS)
messages = [{"role": "user", "content": os.environ["TASK"]}]
found = client.chat.completions.create(
    model=os.environ["MODEL"], messages=messages, response_model=get_weather
)
assert found.city == "Paris", found
print(
    OpenAI().chat.completions.create(model=os.environ["MODEL"], messages=messages).choices[0].message.content
)
