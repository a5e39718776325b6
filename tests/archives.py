"""WARC records written byte by byte, so that the reader is not tested against its own library."""

from pathlib import Path

NAMES = iter(range(10**9))


def record(kind: str, block: bytes, url: str = "http://e.org/", number: int | None = None, headers: bytes = b"") -> bytes:
    number = next(NAMES) if number is None else number
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Target-URI: {url}\r\n"
    head += f"WARC-Date: 2026-01-02T03:04:05Z\r\nContent-Length: {len(block)}\r\n"
    return head.encode() + headers + b"\r\n" + block + b"\r\n\r\n"


def response(
    body: bytes, kind: str = "text/html; charset=utf-8", status: int = 200, number: int | None = None, headers: bytes = b""
) -> bytes:
    block = f"HTTP/1.1 {status} Word\r\nContent-Type: {kind}\r\n".encode() + headers + b"\r\n" + body
    return record("response", block, number=number, headers=b"Content-Type: application/http; msgtype=response\r\n")


def page(text: str) -> bytes:
    menu = "<nav><a href='/'>Menu</a></nav>"
    return f"<html><head><title>t</title></head><body>{menu}<article><p>{text}</p></article></body></html>".encode()


def write(path: Path, records: list[bytes], pack=bytes) -> Path:
    path.write_bytes(b"".join(map(pack, records)))
    return path
