"""mistralai: a call, its result, and the streamed answer after it. It puts ``/v1`` behind its server's URL by itself."""

import os

from mistralai.client import Mistral

schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": schema}}
chat = Mistral(server_url=os.environ["GATEWAY"], api_key="k").chat
common = {"model": os.environ["MODEL"], "tools": [tool]}
messages = [{"role": "user", "content": os.environ["TASK"]}]
called = chat.complete(messages=messages, **common).choices[0].message
(call,) = called.tool_calls
messages += [called, {"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": "rain"}]
whole = chat.complete(messages=messages, **common).choices[0].message.content
pieces = [event.data.choices[0].delta.content for event in chat.stream(messages=messages, **common)]
assert whole == "".join(piece for piece in pieces if isinstance(piece, str)), pieces
print(whole)
