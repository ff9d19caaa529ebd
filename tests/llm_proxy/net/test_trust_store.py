"""Certificate files that change while we run, and those that cannot be used."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from llm_proxy.net import tls
from llm_proxy.net.tls import DEFAULT, TlsContexts, TlsSettings
from llm_proxy.upstreams.http_client import CertificateError, TlsFilesError
from tests.support.raw_peer import CA, TLS_FILES, Client, RawPeer, answers, ok, server_tls


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK", 0.0)


async def test_a_new_authority_is_trusted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE is exchanged, in place or by a rename: new connections go by what it says now."""
    file = tmp_path / "ca.pem"
    shutil.copy(TLS_FILES / "self-signed.pem", file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    async with RawPeer(answers(ok()), tls=server_tls()) as peer, Client() as http:
        with pytest.raises(CertificateError):
            await http.fetch(peer.url)
        shutil.copy(CA, file)
        assert (await http.fetch(peer.url)).body == b"ok"
        http.pool.close()
        shutil.copy(TLS_FILES / "self-signed.pem", tmp_path / "new.pem")
        (tmp_path / "new.pem").replace(file)
        with pytest.raises(CertificateError):
            await http.fetch(peer.url)


@pytest.mark.parametrize("broken", ["", "not a certificate", None])
async def test_a_file_in_the_middle_of_an_exchange(
    broken: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is empty, torn or gone for a moment changes nothing: the last good one serves on."""
    file = tmp_path / "ca.pem"
    shutil.copy(CA, file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    contexts = TlsContexts()
    before = await contexts.get(DEFAULT)
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)
    assert await contexts.get(DEFAULT) is before
    shutil.copy(CA, file)
    assert await contexts.get(DEFAULT) is not before


async def test_a_directory_of_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is put into SSL_CERT_DIR counts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    contexts = TlsContexts()
    before = await contexts.get(DEFAULT)
    assert await contexts.get(DEFAULT) is before
    shutil.copy(CA, tmp_path / "0a1b2c3d.0")
    assert await contexts.get(DEFAULT) is not before


async def test_a_certificate_whose_key_is_not_there_yet(tmp_path: Path) -> None:
    """A new client certificate beside the old key: the last pair serves on, then the new one; without a last one it is an
    error of ours."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for file in (cert, key):
        shutil.copy(TLS_FILES / "client.pem", file)
    contexts = TlsContexts()
    before = await contexts.get(TlsSettings(True, CA, str(cert), str(key), ("1", "1")))
    shutil.copy(TLS_FILES / "good.pem", cert)
    assert await contexts.get(TlsSettings(True, CA, str(cert), str(key), ("2", "1"))) is before
    with pytest.raises(TlsFilesError):
        await TlsContexts().get(TlsSettings(True, CA, str(cert), str(key), ("2", "1")))
    shutil.copy(TLS_FILES / "good.pem", key)
    after = await contexts.get(TlsSettings(True, CA, str(cert), str(key), ("2", "2")))
    assert after is not before


async def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    """It is an error, and no question on a terminal that would stop the service."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    found = serialization.load_pem_private_key((TLS_FILES / "client.pem").read_bytes(), None)
    locked = found.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(TlsFilesError, match="passphrase"):
        await TlsContexts().get(
            TlsSettings(True, CA, str(TLS_FILES / "client.pem"), str(tmp_path / "key.pem"))
        )
    assert isinstance(await TlsContexts().get(TlsSettings(True, CA)), ssl.SSLContext)
