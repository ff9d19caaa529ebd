"""Files of certificates made into a TLS context."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_proxy.clients.certificates import CertificateError, TlsFiles, load, stamps

DATA = Path(__file__).resolve().parents[2] / "data" / "tls"
GOOD, OTHER, CA = DATA / "good.pem", DATA / "client.pem", DATA / "ca.pem"


def empty(folder: Path) -> TlsFiles:
    (folder / "c.pem").write_text("")
    return TlsFiles(folder / "c.pem")


def garbage(folder: Path) -> TlsFiles:
    (folder / "c.pem").write_text("-----BEGIN CERTIFICATE-----\nxx\nPRIVATE KEY-----\n")
    return TlsFiles(folder / "c.pem")


def locked(folder: Path) -> TlsFiles:
    text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    (folder / "k.pem").write_text(text)
    return TlsFiles(GOOD, folder / "k.pem")


def pipe(folder: Path) -> TlsFiles:
    os.mkfifo(folder / "c.pem")
    return TlsFiles(folder / "c.pem")


BAD: dict[str, tuple[Callable[[Path], TlsFiles], str]] = {
    "no file": (lambda folder: TlsFiles(folder / "c.pem"), "c.pem: No such file"),
    "a directory": (lambda folder: TlsFiles(folder), "is not a regular file"),
    "a pipe": (pipe, "is not a regular file"),
    "a device": (lambda folder: TlsFiles(Path("/dev/zero")), "is not a regular file"),
    "empty": (empty, "holds no certificate"),
    "no key": (lambda folder: TlsFiles(CA), "holds no private key"),
    "no PEM": (garbage, "cannot be used"),
    "another pair": (lambda folder: TlsFiles(GOOD, OTHER), "does not belong to the certificate"),
    "a password": (locked, "cannot be used"),
    "no authorities": (lambda folder: TlsFiles(GOOD, None, folder / "ca.pem"), "ca.pem: No such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_sentence(name: str, tmp_path: Path) -> None:
    """It says which file and why, without directory and key; nobody is asked for a password, nothing blocks."""
    files, problem = BAD[name]
    with pytest.raises(CertificateError, match=problem) as raised:
        load(files(tmp_path))

    text = str(raised.value)
    assert "\n" not in text
    assert "/" not in text


def test_new_tls_only() -> None:
    """TLS 1.2 or newer; a certificate is asked of clients only where it was said."""
    context = load(TlsFiles(GOOD))

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    assert load(TlsFiles(GOOD, GOOD, CA)).verify_mode == ssl.CERT_REQUIRED


def test_a_link_that_is_turned_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes does it with the volumes of Secrets; a file that is not there is one state of it."""
    link = tmp_path / "c.pem"
    seen = [stamps(TlsFiles(link))]
    link.symlink_to(GOOD)
    seen.append(stamps(TlsFiles(link)))
    link.unlink()
    link.symlink_to(OTHER)
    seen.append(stamps(TlsFiles(link)))

    assert len(set(seen)) == 3
    assert stamps(TlsFiles(link)) == seen[-1]
