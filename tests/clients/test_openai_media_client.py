"""OpenAI's own client on the endpoints that are relayed: sound, pictures, verdicts, files; and embeddings of every kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.clients.kit import in_thread
from tests.support.gateway import RunningGateway
from tests.support.media_double import FILE_ID, PICTURE, SOUND, MediaDouble, digest
from tests.support.media_kit import UPLOAD, rows
from tests.support.secrets import CLIENT_KEY, UPSTREAM_KEY


def waiting(proxy: RunningGateway) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=proxy.origin + "/v1", api_key=CLIENT_KEY, max_retries=0)


def blocking(proxy: RunningGateway) -> OpenAI:
    return OpenAI(base_url=proxy.url + "/v1", api_key=CLIENT_KEY, max_retries=0)


async def test_speech(tmp_path: Path) -> None:
    """Whole, and as it is made: the first bytes are here while the upstream still speaks."""
    async with (
        MediaDouble(UPSTREAM_KEY) as double,
        RunningGateway(tmp_path, rows(double.url)) as proxy,
        waiting(proxy) as sdk,
    ):
        whole = await sdk.audio.speech.create(model="m", voice="alloy", input="hi")
        double.gate = asyncio.Event()
        speech = sdk.audio.speech.with_streaming_response
        async with speech.create(model="m", voice="alloy", input="hi") as live:
            pieces = live.iter_bytes(len(SOUND[0]))
            first = await anext(pieces)
            double.gate.set()
            rest = b"".join([piece async for piece in pieces])

    assert whole.content == b"".join(SOUND)
    assert (first, first + rest) == (SOUND[0], b"".join(SOUND))


async def test_transcription(tmp_path: Path) -> None:
    """An upload, its text whole and streamed; a translation; from the blocking client too."""

    def work(sdk: OpenAI) -> str:
        with sdk:
            return sdk.audio.transcriptions.create(model="m", file=("a.mp3", UPLOAD)).text

    async with (
        MediaDouble() as double,
        RunningGateway(tmp_path, rows(double.url, "whisper-double")) as proxy,
        waiting(proxy) as sdk,
    ):
        file = ("zażółć.mp3", UPLOAD, "audio/mpeg")
        whole = await sdk.audio.transcriptions.create(model="m", file=file, language="pl")
        stream = await sdk.audio.transcriptions.create(model="m", file=file, stream=True)
        events = [event async for event in stream]
        with pytest.deprecated_call():
            english = await sdk.audio.translations.create(model="m", file=file)
        blocked = await in_thread(lambda: work(blocking(proxy)))

    assert {whole.text, english.text, blocked} == {digest(UPLOAD)}
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == "zażółć 漢字"


async def test_images(tmp_path: Path) -> None:
    """Made, made in a stream, and edited from several uploads."""
    async with (
        MediaDouble() as double,
        RunningGateway(tmp_path, rows(double.url, "image-double")) as proxy,
        waiting(proxy) as sdk,
    ):
        made = await sdk.images.generate(model="m", prompt="p")
        stream: Any = await sdk.images.generate(model="m", prompt="p", stream=True, partial_images=1)
        events = [event async for event in stream]
        edited = await sdk.images.edit(model="m", prompt="p", image=[("a.png", b"one"), ("b.png", UPLOAD)])
        with pytest.deprecated_call():
            varied = await sdk.images.create_variation(model="m", image=("a.png", UPLOAD))

    for answer in (made, edited, varied):
        assert answer.data is not None
        assert answer.data[0].b64_json == PICTURE
    assert edited.data is not None
    assert edited.data[0].revised_prompt == digest(UPLOAD)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.completed",
    ]


async def test_moderations_and_files(tmp_path: Path) -> None:
    """Both without a model, as that client asks by default; a model may be named for files as a further query."""
    async with (
        MediaDouble() as double,
        RunningGateway(tmp_path, rows(double.url, "moderation-double")) as proxy,
        waiting(proxy) as sdk,
    ):
        verdict = await sdk.moderations.create(input=["a", "b"])
        named = await sdk.moderations.create(model="m", input="a")
        sent = await sdk.files.create(file=("a.jsonl", UPLOAD), purpose="batch")
        hinted = await sdk.files.create(file=("a.jsonl", UPLOAD), purpose="batch", extra_query={"model": "m"})
        listed = [file.id async for file in sdk.files.list(purpose="batch")]
        content = await sdk.files.content(FILE_ID)
        shown = await sdk.files.retrieve(FILE_ID)
        deleted = await sdk.files.delete(FILE_ID)

    assert (len(verdict.results), named.model) == (2, "moderation-double")
    assert {sent.filename, hinted.filename} == {digest(UPLOAD)}
    assert (listed, shown.id, deleted.deleted) == ([FILE_ID], FILE_ID, True)
    assert content.content == SOUND[1]


async def test_errors(tmp_path: Path) -> None:
    """An upstream's refusal and a dialect without such endpoints are the client's own exceptions; a cut is one too."""
    async with MediaDouble() as double:
        config = rows(double.url, "error-429")
        config["up"]["dies"] = {}
        config["ollama"] = {"native": {}}
        async with RunningGateway(tmp_path, config) as proxy, waiting(proxy) as sdk:
            with pytest.raises(openai.RateLimitError):
                await sdk.audio.speech.create(model="m", voice="alloy", input="hi")
            with pytest.raises(openai.BadRequestError, match="ollama"):
                await sdk.audio.speech.create(model="native", voice="alloy", input="hi")
            with pytest.raises(openai.APIConnectionError):
                await sdk.audio.speech.create(model="dies", voice="alloy", input="hi")
            stream = await sdk.audio.transcriptions.create(model="dies", file=("a", b"x"), stream=True)
            with pytest.raises(openai.APIError, match="middle"):
                [event async for event in stream]
