"""together: a call, its result, and the streamed answer after it. Its base URL has no ``/v1``."""

import os

from together import Together

schema = {"type": "object", "properties": {"city": {"type": "string"}}}
tool = {"type": "function", "function": {"name": "get_weather", "description": "d", "parameters": schema}}
create = Together(base_url=os.environ["GATEWAY"], api_key="k").chat.completions.create
common = {"model": os.environ["MODEL"], "tools": [tool]}
messages = [{"role": "user", "content": os.environ["TASK"]}]
called = create(messages=messages, **common).choices[0].message
(call,) = called.tool_calls
messages += [
    called.model_dump(exclude_none=True),
    {"role": "tool", "tool_call_id": call.id, "content": "rain"},
]
whole = create(messages=messages, **common).choices[0].message.content
chunks = create(messages=messages, stream=True, **common)
assert whole == "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
print(whole)
