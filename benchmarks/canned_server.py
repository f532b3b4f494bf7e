"""A server that gives one canned answer to every request of a path, in a process of its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import multiprocessing
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Address(NamedTuple):
    """Where the server listens."""

    plain: str
    tls: str
    authority: str
    """File with the certificate to trust."""


class _Canned(asyncio.Protocol):
    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        self._answers = answers
        self._default = answers[b"*"]
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = 0 if at < 0 else int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            path = self._buffer.split(b" ", 2)[1]
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(self._answers.get(path, self._default))


def _http(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nServer: canned\r\nDate: Thu, 26 Nov 2026 00:00:00 GMT\r\n"
        "Content-Type: application/json\r\nX-Request-Id: 6f1c2f0e-8a7d-4b55\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _serve(pipe: Connection, answers: Mapping[str, bytes], certificate: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        canned = {path.encode(): _http(body) for path, body in answers.items()}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        servers = [
            await loop.create_server(lambda: _Canned(canned), "127.0.0.1", 0, ssl=tls, backlog=1024)
            for tls in (None, context)
        ]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.gather(*(server.serve_forever() for server in servers))

    asyncio.run(main())


def _certificate(folder: Path) -> str:
    """A key and a certificate of its own for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    target = folder / "server.pem"
    target.touch(mode=0o600)
    target.write_bytes(private + made.public_bytes(pem))
    return str(target)


@contextmanager
def canned_server(answers: Mapping[str, bytes]) -> Iterator[Address]:
    """Run the server; ``*`` answers every path that is not named."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder))
        process = context.Process(target=_serve, args=(there, answers, certificate), daemon=True)
        process.start()
        there.close()  # else nobody hears of it if the process cannot begin
        try:
            plain, tls = here.recv()
            yield Address(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", certificate)
        finally:
            process.kill()
            process.join()
