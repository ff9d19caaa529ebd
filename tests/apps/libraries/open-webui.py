"""Open WebUI: its server is started with one connection to the gateway, and asked by its own API as its pages ask it.

``WAY`` says which connection: ``chat`` for OpenAI's, ``ollama`` for Ollama's. It lists the models, answers a chat whole and
streamed, and the Ollama connection's own pages (tags, versions, running models) are looked at too.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

MODEL, TASK, OLLAMA = os.environ["MODEL"], os.environ["TASK"], os.environ["WAY"] == "ollama"
#: Its first start makes a database and loads what weighs gigabytes.
SECONDS = 400


def main() -> None:
    """Start it, ask it, end it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for name in ("data", "static"):
        Path(name).mkdir(exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("open-webui")),
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with Path("open-webui.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait(client, server)
                ask(client)
        except BaseException:
            print(Path("open-webui.log").read_text(errors="replace")[-3000:])
            raise
        finally:
            server.kill()


def environment() -> dict[str, str]:
    """By its documented variables: one connection, no accounts, everything of its own in this folder, nothing from elsewhere."""
    return {
        **os.environ,
        "DATA_DIR": str(Path("data").resolve()),
        "STATIC_DIR": str(Path("static").resolve()),
        "WEBUI_AUTH": "False",
        "WEBUI_SECRET_KEY": "secret",
        "OFFLINE_MODE": "True",
        "ENABLE_OPENAI_API": str(not OLLAMA),
        "OPENAI_API_BASE_URL": os.environ["OPENAI_BASE_URL"],
        "ENABLE_OLLAMA_API": str(OLLAMA),
        "OLLAMA_BASE_URL": os.environ["OLLAMA_HOST"],
        # Else it loads a model for embeddings, which it has not.
        "RAG_EMBEDDING_ENGINE": "ollama" if OLLAMA else "openai",
        "RAG_EMBEDDING_MODEL": MODEL,
    }


def wait(client: httpx.Client, server: "subprocess.Popen[bytes]") -> None:
    """Until it answers."""
    until = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            if client.get("/health").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit("it did not start")


def ask(client: httpx.Client) -> None:
    """What its pages do: sign in, list the models, chat."""
    account = said(client.post("/api/v1/auths/signin", json={"email": "", "password": ""}))
    client.headers["Authorization"] = f"Bearer {account['token']}"
    models = [model["id"] for model in said(client.get("/api/models"))["data"]]
    found = [name for name in models if name.removesuffix(":latest") == MODEL]
    assert found, f"{MODEL} is not among {models}"
    if OLLAMA:
        tags = said(client.get("/ollama/api/tags"))["models"]
        assert found[0] in [tag["model"] for tag in tags], tags
        assert said(client.get("/ollama/api/version"))["version"]
        said(client.get("/ollama/api/ps"))
    body = {"model": found[0], "messages": [{"role": "user", "content": TASK}]}
    whole = said(client.post("/api/chat/completions", json={**body, "stream": False}))
    text = whole["choices"][0]["message"]["content"]
    live = client.post("/api/chat/completions", json={**body, "stream": True}).raise_for_status().text
    events = [json.loads(line[6:]) for line in live.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event.get("choices", ())]
    streamed = "".join(delta.get("content") or "" for delta in deltas)
    assert streamed == text, (streamed, text)
    print(text)


def said(answer: httpx.Response) -> "dict[str, object]":
    """What a good answer holds."""
    assert answer.is_success, f"{answer.status_code} {answer.text}"
    return answer.json()


if __name__ == "__main__":
    main()
