"""An upstream call as it may be shown: what is sent, without a secret and without an address.

Laws: pure. The key, the configured headers, and every text of the configuration that came from the environment or a file are
``***`` wherever they stand; of the URL what follows the configured base is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.live.config.placeholders import Filled
from llm_proxy.wire.calls import Deployment, HttpCall
from llm_proxy.wire.strict_json import JsonProblem, parse_object

HIDDEN = "***"


def shown_call(call: HttpCall, deployment: Deployment) -> dict[str, Any]:
    """``call``, which is for ``deployment``."""
    secrets = tuple(sorted(_secrets(deployment), key=len, reverse=True))
    own = {name.lower() for name in deployment.headers}
    return {
        "method": call.method,
        "url": HIDDEN + _masked(_below(call.url, deployment.api_host), secrets),
        "headers": {
            name: HIDDEN if name.lower() in own else _masked(value, secrets) for name, value in call.headers
        },
        "body": _body(call.body, secrets),
    }


def _secrets(deployment: Deployment) -> Iterator[str]:
    if deployment.token:
        yield deployment.token.reveal()
    for value in deployment.headers.values():
        if value:
            yield value.reveal()
    yield from _filled(deployment.options)


def _filled(value: Any) -> Iterator[str]:
    """The texts in ``value`` that came from outside."""
    if isinstance(value, Filled) and value:
        yield str(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _filled(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _filled(item)


def _below(url: str, base: str) -> str:
    """What of ``url`` is not part of ``base``: all behind the segments that they share."""
    if url.startswith(base):
        return url[len(base) :]
    at = 0
    while (slash := url.find("/", at)) >= 0 and base.startswith(url[:slash]):
        at = slash + 1
    return url[at - 1 :] if at else ""


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _body(body: bytes | None, secrets: tuple[str, ...]) -> Any:
    if body is None:
        return None
    try:
        value = parse_object(body)
    except JsonProblem:
        return _masked(body.decode("utf-8", "replace"), secrets)
    return _each(value, secrets) if secrets else value


def _each(value: Any, secrets: tuple[str, ...]) -> Any:
    """``value`` with all its texts masked; keys stay, since they are names."""
    if isinstance(value, str):
        return _masked(value, secrets)
    if isinstance(value, dict):
        return {name: _each(item, secrets) for name, item in value.items()}
    return [_each(item, secrets) for item in value] if isinstance(value, list) else value
