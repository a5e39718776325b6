"""Addresses of pages: lists, sitemaps, single ones."""

import html
import io
import re
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from groundup.core.errors import DataError
from groundup.core.files import storage_errors
from groundup.curate.fetch.outcome import Refused
from groundup.curate.sources.packed import FRAMES, Unpacked

MAX_SITEMAP_BYTES = 50 << 20
"""Of a sitemap, unpacked (sitemaps.org)."""
_LOC = re.compile(r"<loc>\s*(?:<!\[CDATA\[)?([^<\]]*)")
_SAFE = "/%:=&?~#+!$,;'@()*[]"


def clean_url(text: str) -> str:
    """Return the address as it is sent: no fragment, host in lower case, percent-encoded; raise Refused if it is none."""
    try:
        place = urlsplit(text.strip())
        host, port = (place.hostname or "").encode("idna").decode(), place.port
    except (ValueError, UnicodeError) as error:
        raise Refused("address", f"{text}: not a web address ({error})") from None
    if place.scheme not in ("http", "https") or not host:
        raise Refused("address", f"{text}: not a web address; only http and https are fetched")
    if place.username is not None or place.password is not None:
        raise Refused("address", f"{text}: names and passwords in addresses are not sent")
    host = f"[{host}]" if ":" in host else host
    netloc = host if port is None else f"{host}:{port}"
    return urlunsplit((place.scheme, netloc, quote(place.path or "/", safe=_SAFE), quote(place.query, safe=_SAFE), ""))


def is_address(text: str) -> bool:
    """Return whether an input given by the user is an address rather than a file."""
    return text.lower().startswith(("http://", "https://"))


def is_sitemap(url: str) -> bool:
    """Return whether an address given by the user is that of a sitemap rather than a page."""
    return urlsplit(url).path.lower().endswith((".xml", ".xml.gz"))


def read_list(path: Path) -> str:
    """Return a file of addresses, or a sitemap, as text."""
    with storage_errors(path):
        if not path.is_file():
            raise DataError(f"{path}: neither a file of addresses nor an address (https://...)")
        return sitemap_text(path.read_bytes(), str(path))


def sitemap_text(data: bytes, where: str) -> str:
    """Return a sitemap as text, unpacked within the bound; raise Refused beyond it."""
    if data[:2] == b"\x1f\x8b":
        unpacked = Unpacked(io.BytesIO(data), FRAMES[".gz"](), max_ratio=float("inf"))
        data = io.BufferedReader(unpacked).read(MAX_SITEMAP_BYTES + 1)
    if len(data) > MAX_SITEMAP_BYTES:
        raise Refused("sitemap", f"{where}: a sitemap of more than {MAX_SITEMAP_BYTES:,} bytes")
    return data.decode("utf-8-sig", errors="replace")


def sitemap_entries(text: str) -> list[str]:
    """Return the addresses in a sitemap, in an index of sitemaps, or in a list (a line each, # for remarks).

    By pattern: an XML parser would expand entities.
    """
    if not text.lstrip().startswith("<"):
        return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [html.unescape(found).strip() for found in _LOC.findall(text)]


def is_index(text: str) -> bool:
    """Return whether a sitemap lists further sitemaps."""
    return "<sitemapindex" in text[:2000]
