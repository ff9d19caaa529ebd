"""smolagents: its model of OpenAI's dialect, whole and streamed."""

import os

from smolagents import OpenAIModel

model = OpenAIModel(model_id=os.environ["MODEL"], api_base=os.environ["OPENAI_BASE_URL"], api_key="k")
messages = [{"role": "user", "content": [{"type": "text", "text": os.environ["TASK"]}]}]
whole = model.generate(messages).content
assert whole == "".join(delta.content or "" for delta in model.generate_stream(messages))
print(whole)
