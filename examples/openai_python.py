"""OpenAI's client: whole, streamed, and an answer that is an object. pip install openai"""

from openai import OpenAI
from pydantic import BaseModel

# The gateway holds the keys of the upstreams; the client's own is not looked at, but this library wants one.
client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="unused")
messages = [{"role": "user", "content": "Name a river in Poland."}]

answer = client.chat.completions.create(model="demo", messages=messages)
print(answer.choices[0].message.content)

with client.chat.completions.create(model="demo", messages=messages, stream=True) as stream:
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
print()


class Reply(BaseModel):
    answer: int


# "llama3.2" stands for a model of yours that can do this; "demo" only echoes.
question = [{"role": "user", "content": "What is six times seven?"}]
parsed = client.chat.completions.parse(model="llama3.2", messages=question, response_format=Reply)
print(parsed.choices[0].message.parsed)
