"""OpenAI's client: the Responses API. The gateway keeps no state: send the whole conversation. pip install openai"""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="unused")

conversation = [{"role": "user", "content": "Name a river."}]
response = client.responses.create(model="demo", input=conversation, instructions="Be brief.")
print(response.output_text)

conversation += response.output  # instead of previous_response_id
conversation.append({"role": "user", "content": "And another one."})
with client.responses.stream(model="demo", input=conversation) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
print()
