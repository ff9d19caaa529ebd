"""What the environment says beside our own settings: proxies, and whose certificates are trusted.

Laws: what cannot be used ends the start with a ``SettingsError`` that names the variable, what merely means nothing is a
warning; neither ever shows a credential.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llm_proxy.net import trust_store
from llm_proxy.settings import SettingsError
from llm_proxy.telemetry.traces.options import read_options
from llm_proxy.upstreams.proxies import Proxies, from_environment

#: Other programs' names for ``SSL_CERT_FILE``.
_FOREIGN = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def proxies(env: Mapping[str, str]) -> dict[str, str]:
    """The usual proxy variables, as curl reads them. This machine is always reached directly: model servers run on it, and
    so does the demo. Raises ``SettingsError``."""
    try:
        found = from_environment(env)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    found["no"] = ",".join(filter(None, [found.get("no"), "localhost,127.0.0.0/8,::1"]))
    return found


def warnings(env: Mapping[str, str]) -> Iterator[str]:
    """What means nothing, or not what was meant, a sentence each. Reads files. Raises ``SettingsError``."""
    for entry in Proxies(proxies(env)).not_understood:
        yield (
            f'no_proxy: "{entry}" is not understood (allowed: names, .names, addresses, networks such as 10.0.0.0/8, *; '
            "a port may follow a name or an address)"
        )
    yield from trust_store.complaints(env)
    yield from read_options(env)[1]
    if not env.get("SSL_CERT_FILE"):
        for name in _FOREIGN:
            if env.get(name):
                yield f"{name} is not looked at; the variable for certificates is SSL_CERT_FILE"
