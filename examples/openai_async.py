"""OpenAI's client with asyncio: two streams at once. pip install openai"""

import asyncio

from openai import AsyncOpenAI


async def ask(client: AsyncOpenAI, question: str) -> str:
    async with client.chat.completions.stream(
        model="demo", messages=[{"role": "user", "content": question}]
    ) as stream:
        return "".join([event.delta async for event in stream if event.type == "content.delta"])


async def main() -> None:
    async with AsyncOpenAI(base_url="http://127.0.0.1:8080/v1", api_key="unused") as client:
        print(*await asyncio.gather(ask(client, "Hello!"), ask(client, "And goodbye!")), sep="\n")


asyncio.run(main())
