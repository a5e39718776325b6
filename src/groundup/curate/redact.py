"""E-mail and IP addresses out of the text, typed placeholders in."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["email", "ipv4", "ipv6"]
PLACEHOLDERS: dict[Kind, str] = {"email": "<EMAIL>", "ipv4": "<IPV4>", "ipv6": "<IPV6>"}

_EMAIL = r"(?P<email>(?<![\w.+%-])[A-Za-z0-9_%+][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-]))"
_IPV4 = r"(?P<ipv4>(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\w|\.\w))"
_IPV6 = r"(?P<ipv6>(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,7}[0-9A-Fa-f]{0,4}(?![\w:]))"
_CANDIDATE = re.compile("|".join((_EMAIL, _IPV4, _IPV6)))
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:v|ver|vers|version|versions|release|rev|revision|build|section|sections|sec|chapter|clause|table|figure|appendix|rfc)"
    r"\.?\s*[:=]?\s*|[=<>~!]=\s*|[A-Za-z]-|§\s*)$",
    re.IGNORECASE,
)
_ADDRESS_BEFORE = re.compile(
    r"(?:\b(?:ip|ipv4|address|addr|host|server|client|peer|gateway|dns|ping|resolver|from|connect)\b|://|@)", re.IGNORECASE
)
_ADDRESS_AFTER = re.compile(r":[0-9]{1,5}\b|/[0-9]{1,2}\b")
_CONTEXT_CHARS = 40
_VERSION_PART = 64
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True)
class Redaction:
    """Where a placeholder stands in the redacted text (in characters). The value it replaced is not kept."""

    kind: Kind
    start: int
    end: int


def redact(text: str) -> tuple[str, list[Redaction]]:
    """Return `text` with e-mail addresses and public IP addresses replaced by placeholders, and where these stand.

    Private, loopback, link-local, documentation and multicast addresses name nobody and stay. Four dotted numbers after a
    word or sign of versions or sections stay; so do four numbers all below 64, the look of a version, unless an address
    word, a port or a prefix length stands by. IPv6 covers the global unicast range 2000::/3 (RFC 4291 section 2.4) in full
    and compressed writing; IPv4-mapped forms are not covered.
    """
    if "@" not in text and "." not in text and ":" not in text:
        return text, []
    pieces: list[str] = []
    redactions: list[Redaction] = []
    done = length = 0
    for match in _CANDIDATE.finditer(text):
        kind = _kind(match)
        if kind is None:
            continue
        placeholder = PLACEHOLDERS[kind]
        pieces += (text[done : match.start()], placeholder)
        start = length + match.start() - done
        length = start + len(placeholder)
        done = match.end()
        redactions.append(Redaction(kind, start, length))
    return "".join([*pieces, text[done:]]), redactions


def _kind(match: re.Match[str]) -> Kind | None:
    """Return what the candidate is, None if it is to stay."""
    if match["email"] is not None:
        return "email"
    if match["ipv4"] is not None:
        return "ipv4" if _is_public_ipv4(match) else None
    return "ipv6" if _is_public_ipv6(match["ipv6"]) else None


def _is_public_ipv4(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.IPv4Address(match["ipv4"])
    except ValueError:
        return False
    if not address.is_global or address.is_multicast:
        return False
    text = match.string
    before = text[max(0, match.start() - _CONTEXT_CHARS) : match.start()]
    if _VERSION_BEFORE.search(before):
        return False
    if max(address.packed) >= _VERSION_PART:
        return True
    return bool(_ADDRESS_BEFORE.search(before) or _ADDRESS_AFTER.match(text, match.end()))


def _is_public_ipv6(candidate: str) -> bool:
    try:
        address = ipaddress.IPv6Address(candidate)
    except ValueError:
        return False
    return address.is_global and address in _GLOBAL_UNICAST
