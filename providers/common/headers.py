"""The headers of a call: those of the dialect, the key, and those of the configuration, which win."""

from __future__ import annotations

from collections.abc import Mapping

from llm_proxy.wire.calls import Deployment


def fixed_headers(
    deployment: Deployment, key_header: str, own: Mapping[str, str] | None = None
) -> tuple[tuple[str, str], ...]:
    """Name and value pairs, no name twice in whatever case; the key is left out where the deployment has none."""
    found = {name.lower(): (name, value) for name, value in (own or {}).items()}
    if deployment.token:
        found[key_header.lower()] = (key_header, deployment.token.reveal())
    for name, secret in deployment.headers.items():
        found[name.lower()] = (name, secret.reveal())
    return tuple(found.values())


def bearer_headers(deployment: Deployment) -> tuple[tuple[str, str], ...]:
    """The key as a bearer token, as most servers take it, and the configured headers, which win over it."""
    headers = deployment.headers
    own = tuple((name, value.reveal()) for name, value in headers.items()) if headers else ()
    if deployment.token is None or any(name.lower() == "authorization" for name, _ in own):
        return own
    return (("Authorization", f"Bearer {deployment.token.reveal()}"), *own)


def json_headers(stream: bool) -> tuple[tuple[str, str], ...]:
    """What a call with a JSON body says about it and about the answer."""
    accept = "text/event-stream" if stream else "application/json"
    return (("Content-Type", "application/json"), ("Accept", accept))
