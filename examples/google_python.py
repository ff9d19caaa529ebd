"""Google's client: whole, streamed, a chat that calls a function. pip install google-genai"""

from google import genai

# The gateway holds the keys; this library only wants to have one.
client = genai.Client(api_key="unused", http_options={"base_url": "http://127.0.0.1:8080/gemini"})
question = "What is the weather in Paris?"

print(client.models.generate_content(model="demo", contents=question).text)

for chunk in client.models.generate_content_stream(model="demo", contents=question):
    print(chunk.text, end="", flush=True)
print()


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city.
    """
    return f"It is sunny in {city}."


# "llama3.2" stands for a model of yours that can call tools, at whatever server.
chat = client.chats.create(model="llama3.2", config={"tools": [get_weather]})
print(chat.send_message(question).text)
client.close()
