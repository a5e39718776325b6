"""Addresses of the Internet Protocol."""

import ipaddress
import re
import socket
from bisect import bisect_right
from collections.abc import Iterator

from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.context import words_before
from groundup.curate.privacy.facts import FACTS
from groundup.curate.privacy.kind import Finder, Span

_IPV4 = re.compile(r"[0-9](?<![\w.].)[0-9]{0,2}+(?:\.[0-9]{1,3}+){3}(?!\w|\.\w)")
_VERSION_WORD = re.compile(
    r"\b(?:v|ver|vers|versions?|releases?|released|rev|revisions?|builds?|built|patch(?:es|ed)?|"
    r"(?:up|down)grad(?:e[sd]?|ing)(?:\s+(?:from|to))?|updat(?:e[sd]?|ing)(?:\s+(?:from|to))?|fixed|ships|since|"
    r"kernel|firmware|drivers?|packages?|sdk|api|plugin|library|app|program|software|tool|"
    r"sections?|sec|chapter|clause|table|figure|fig|appendix|rfc|article|paragraph|item|step)\b|[=<>~!^]=?\s*$|[A-Za-z][-_/]$|§\s*$",
    re.IGNORECASE,
)
_VERSION_AFTER = re.compile(r"\s*(?:\((?:stable|beta|alpha|release)|(?:and|or)\s(?:later|newer|above|earlier|older|higher)\b)")
_ADDRESS_WORD = re.compile(
    r"\b(?:ip|ipv4|ips|address(?:es)?|addr|hosts?|servers?|clients?|peer|gateway|dns|ping|resolver|router|subnet|network|from|connect\w*|"
    r"login|logged|visitor|sender|x-forwarded-for|ssh|ftp)\b|://|@",
    re.IGNORECASE,
)
_ADDRESS_AFTER = re.compile(r":[0-9]{1,5}\b|/[0-9]{1,2}\b(?!\.)| - ")
_AND = re.compile(r"\s{0,2}(?:,|;|/|-|–|->|→|and|or|to|from|through|until)?\s{0,2}")
_VERSION_PART = 64
_VERSION_MAJOR = 25

_IPV6 = re.compile(r"[0-9A-Fa-f](?<![\w:.].)[0-9A-Fa-f]{0,3}+:[0-9A-Fa-f:]{1,34}+(?![\w:]|\.[0-9])")
_IPV6_PUBLIC = re.compile(r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{1,34}+(?![\w:])")


class _Ranges:
    """Which addresses of one version stand for somebody, as sorted disjoint ranges of integers that do not."""

    def __init__(self, version: int, private_addresses: bool) -> None:
        names = ["nobody"] if private_addresses else ["nobody", "private"]
        networks = [ipaddress.ip_network(network) for name in names for network in FACTS["networks"][name]]
        ranges = sorted((int(net[0]), int(net[-1])) for net in networks if net.version == version)
        self._starts = [start for start, _ in ranges]
        self._ends = [end for _, end in ranges]

    def hold_out(self, address: int) -> bool:
        """Return whether the address lies in none of the ranges."""
        position = bisect_right(self._starts, address) - 1
        return position < 0 or address > self._ends[position]


class IPv4Addresses(Finder):
    """Finds four numbers below 256 between dots that are an address and no version.

    The nearest word that speaks of versions (or of sections) or of addresses decides. With neither, what follows does: `and
    later`, a port, a prefix length. Else numbers that are all below 64, or that begin below 25 with two of the other three
    below 64, have the look of a version: 2 % of all addresses have it too. In a list all are what the first one is.
    """

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        self._ranges = _Ranges(4, config.private_addresses)

    def find(self, text: str) -> Iterator[Span]:
        before, is_address = 0, None
        for match in _IPV4.finditer(text):
            parts = match[0].split(".")
            numbers = [int(part) for part in parts]
            if max(numbers) > 255 or any(part[0] == "0" and len(part) > 1 for part in parts):
                continue
            value = (numbers[0] << 24) + (numbers[1] << 16) + (numbers[2] << 8) + numbers[3]
            if self._ranges.hold_out(value):
                if is_address is None or not _AND.fullmatch(text, before, match.start()):
                    is_address = _is_address(text, match, numbers)
                before = match.end()
                if is_address:
                    yield match.span()


def _is_address(text: str, match: re.Match[str], numbers: list[int]) -> bool:
    words = words_before(text, match.start())
    of_version, of_address = _last(_VERSION_WORD, words), _last(_ADDRESS_WORD, words)
    if of_version != of_address:
        return of_address > of_version
    if _VERSION_AFTER.match(text, match.end()):
        return False
    if _ADDRESS_AFTER.match(text, match.end()):
        return True
    small = [number < _VERSION_PART for number in numbers]
    return not (all(small) or (numbers[0] < _VERSION_MAJOR and sum(small[1:]) >= 2))


def _last(expression: re.Pattern[str], words: str) -> int:
    """Return where the last match ends, -1 if there is none."""
    return max((match.end() for match in expression.finditer(words)), default=-1)


class IPv6Addresses(Finder):
    """Finds global unicast addresses in full and compressed writing (RFC 4291 section 2.2), private ones if asked for."""

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        self._ranges = _Ranges(6, config.private_addresses)
        self._candidates = _IPV6 if config.private_addresses else _IPV6_PUBLIC

    def find(self, text: str) -> Iterator[Span]:
        for match in self._candidates.finditer(text):
            try:
                value = int.from_bytes(socket.inet_pton(socket.AF_INET6, match[0]))
            except OSError:
                continue
            if self._ranges.hold_out(value):
                yield match.span()
