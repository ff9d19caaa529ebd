"""Google's own client, blocking and not, over every kind of upstream: text, streams, schemas, chats with functions."""

from __future__ import annotations

from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from llm_proxy.faces.gemini.face import GeminiFace
from tests.clients.kit import WEATHER, Reply, Serve, Served, get_weather, in_thread
from tests.support.openai_upstreams import over
from tests.support.peer import Peer
from tests.support.scripts import sse, stream
from tests.support.secrets import CLIENT_KEY

VERSIONS = pytest.mark.parametrize("version", ["v1", "v1beta"])


def client(served: Served, version: str = "v1beta") -> genai.Client:
    options = types.HttpOptions(base_url=served.google, api_version=version)
    return genai.Client(api_key=CLIENT_KEY, http_options=options)


@VERSIONS
async def test_text_of_the_blocking_client(serve: Serve, version: str) -> None:
    """Whole and as a stream: one text, its finish reason, its usage, and the name that was asked for."""

    def work(sdk: genai.Client) -> tuple[Any, list[Any], Any]:
        with sdk:
            whole = sdk.models.generate_content(model="m", contents="hi")
            chunks = list(sdk.models.generate_content_stream(model="m", contents="hi"))
            return whole, chunks, sdk.models.count_tokens(model="m", contents="hi")

    async with serve() as served:
        whole, chunks, counted = await in_thread(lambda: work(client(served, version)))

    assert whole.text == "".join(chunk.text or "" for chunk in chunks) == served.text
    assert len(chunks) > 2
    assert chunks[-1].candidates[0].finish_reason == whole.candidates[0].finish_reason == "STOP"
    assert chunks[-1].usage_metadata.candidates_token_count > 0
    assert whole.usage_metadata.candidates_token_count > 0
    assert {whole.model_version, *(chunk.model_version for chunk in chunks)} == {"m"}
    assert counted.total_tokens > 0


async def test_the_waiting_client(serve: Serve) -> None:
    """The same without blocking, in a chat whose history goes back."""
    async with serve() as served:
        sdk = client(served).aio
        chat = sdk.chats.create(model="m")
        pieces = [chunk.text or "" async for chunk in await chat.send_message_stream("hi")]
        # The real one's context is full after its one answer.
        again = served.text if served.is_real else (await chat.send_message("again")).text
        await sdk.aclose()

    turns = [content for content in chat.get_history(curated=True) if content.role == "user"]
    assert "".join(pieces) == again == served.text
    assert len(turns) == (1 if served.is_real else 2)


@pytest.mark.parametrize("schema", [Reply, Reply.model_json_schema()], ids=["subset", "JSON-Schema"])
async def test_schema(serve: Serve, schema: Any) -> None:
    """Structured output comes back as an object of the class, whichever way its schema was sent."""
    how = {"response_schema": schema} if schema is Reply else {"response_json_schema": schema}
    config = types.GenerateContentConfig(response_mime_type="application/json", temperature=0, **how)

    def work(sdk: genai.Client) -> Any:
        with sdk:
            return sdk.models.generate_content(model="m", contents="hi", config=config)

    async with serve() as served:
        answer = await in_thread(lambda: work(client(served)))

    assert isinstance(Reply.model_validate_json(answer.text).answer, int)
    assert schema is not Reply or isinstance(answer.parsed, Reply)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_automatic_function_calling(serve: Serve, stream: bool) -> None:
    """A chat calls the function itself, sends the result back, and ends with the answer to it."""
    asked: list[str] = []

    def get_weather_of(city: str) -> str:
        """The weather of a city.

        Args:
            city: Where.
        """
        asked.append(city)
        return get_weather(city)

    config = types.GenerateContentConfig(
        tools=[get_weather_of], thinking_config=types.ThinkingConfig(thinking_budget=1024)
    )

    def work(sdk: genai.Client) -> tuple[str, list[Any]]:
        with sdk:
            chat = sdk.chats.create(model="m", config=config)
            if stream:
                text = "".join(chunk.text or "" for chunk in chat.send_message_stream("Weather in Paris?"))
            else:
                text = chat.send_message("Weather in Paris?").text or ""
            return text, chat.get_history(curated=True)

    async with serve() as served:
        if served.is_real:
            pytest.skip("a random model calls nothing")
        text, history = await in_thread(lambda: work(client(served)))

    results = [
        part.function_response for content in history for part in content.parts if part.function_response
    ]
    assert asked == ["Paris"]
    assert [result.response for result in results] == [{"result": WEATHER}]
    assert text == served.text


async def test_models_and_errors(serve: Serve) -> None:
    """Models are listed page by page and found one by one; an unknown one is a ClientError with Google's word."""

    def work(sdk: genai.Client) -> tuple[list[Any], Any, errors.APIError]:
        with sdk:
            listed = list(sdk.models.list(config={"page_size": 1}))
            with pytest.raises(errors.ClientError) as caught:
                sdk.models.generate_content(model="nobody", contents="hi")
            return listed, sdk.models.get(model="m"), caught.value

    async with serve() as served:
        listed, one, error = await in_thread(lambda: work(client(served)))

    assert [model.name for model in listed] == [one.name] == ["models/m"]
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert "nobody" in str(error)


@pytest.mark.parametrize("kind", ["openai", "ollama", "gemini"])
async def test_embeddings(kind: str, tmp_path: Any) -> None:
    """One vector for each text, of the size that was asked for."""
    models = {
        "openai": "text-embedding-double",
        "ollama": "nomic-embed-text",
        "gemini": "gemini-embedding-double",
    }
    async with over(kind, tmp_path, model=models[kind]) as (gateway, _):
        with client(Served(gateway, "")) as sdk:
            texts: list[Any] = ["one", "two"]
            found = await in_thread(lambda: sdk.models.embed_content(model="m", contents=texts))

    assert found.embeddings is not None
    assert len(found.embeddings) == 2
    assert all(vector.values for vector in found.embeddings)


@pytest.mark.parametrize(
    ("kind", "model"), [("openai", "dies"), ("anthropic", "dies"), ("gemini", "dies"), ("gemini", "mute")]
)
async def test_a_broken_stream_raises(kind: str, model: str, tmp_path: Any) -> None:
    """What came before the error is there, then the client raises: no broken answer looks whole."""

    texts: list[str] = []

    def work(sdk: genai.Client) -> None:
        texts.extend(
            chunk.text or "" for chunk in sdk.models.generate_content_stream(model="m", contents="hi")
        )

    async with over(kind, tmp_path, model=model) as (gateway, _):
        with pytest.raises(errors.ServerError) as caught:
            await in_thread(lambda: work(client(Served(gateway, ""))))

    assert caught.value.code >= 500
    assert "".join(texts).startswith("Hello from")


@pytest.mark.parametrize(
    ("filler", "works"),
    [(GeminiFace("m").keep_alive(), True), (b": keep-alive\n\n", False), (b"event: x\n", False)],
)
async def test_what_may_fill_a_silence(filler: bytes, works: bool) -> None:
    """A blank line is nothing to Google's client; a comment, or a name of an event, makes it raise: that is why."""
    answer = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}, "finishReason": "STOP"}]
    }
    (event,) = sse(answer, done=False)
    async with Peer(stream(filler, event, filler, event)) as peer:
        options = types.HttpOptions(base_url=peer.url)
        sdk = genai.Client(api_key=CLIENT_KEY, http_options=options).aio
        try:
            chunks = [
                c.text async for c in await sdk.models.generate_content_stream(model="m", contents="hi")
            ]
        except errors.UnknownApiResponseError:
            chunks = []
        await sdk.aclose()

    assert chunks == (["a", "a"] if works else [])
