"""robots.txt as RFC 9309 has it: the longest rule wins, * and $ in paths, groups by product token."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

PRODUCT = "groundup"
MAX_ROBOTS_BYTES = 500 << 10
"""Read of a robots.txt at least, says RFC 9309, 2.5."""


@dataclass(frozen=True)
class Robots:
    """What a host allows; its Crawl-delay, which is no standard but meant; its sitemaps."""

    rules: tuple[tuple[Literal["allow", "disallow"], str], ...] = ()
    crawl_delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Return whether the page may be fetched: the longest matching rule decides, allow before disallow (2.2.2)."""
        place = urlsplit(url)
        path = unquote((place.path or "/") + (f"?{place.query}" if place.query else ""), errors="replace")
        matching = [(len(pattern), verb == "allow") for verb, pattern in self.rules if _matches(pattern, path)]
        return max(matching, default=(0, True))[1]


ALLOW_ALL = Robots()
DISALLOW_ALL = Robots((("disallow", "/"),))


def parse_robots(text: str) -> Robots:
    """Return what the file says to groundup: its groups for that name, or those for '*' if there are none."""
    groups: list[tuple[set[str], list[tuple[str, str]]]] = []
    sitemaps: list[str] = []
    is_open = False
    for line in text.splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "sitemap":
            sitemaps.append(value)
        elif key == "user-agent":
            if not is_open:
                groups.append((set(), []))
            is_open = True
            name = re.match(r"[a-zA-Z_-]*|\*", value)
            groups[-1][0].add("*" if value.startswith("*") else name.group().lower() if name else "")
        elif groups:
            is_open = False
            groups[-1][1].append((key, value))
    own = [line for names, lines in groups for line in lines if PRODUCT in names]
    if not any(PRODUCT in names for names, _ in groups):
        own = [line for names, lines in groups for line in lines if "*" in names]
    return Robots(_rules(own), _delay_s(own), tuple(sitemaps))


def _rules(lines: list[tuple[str, str]]) -> tuple[tuple[Literal["allow", "disallow"], str], ...]:
    rules: list[tuple[Literal["allow", "disallow"], str]] = []
    for key, value in lines:
        if not value:
            continue
        if key == "allow":
            rules.append(("allow", unquote(value, errors="replace")))
        elif key == "disallow":
            rules.append(("disallow", unquote(value, errors="replace")))
    return tuple(rules)


def _delay_s(lines: list[tuple[str, str]]) -> float:
    delays = [value for key, value in lines if key == "crawl-delay" and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value)]
    return max(map(float, delays), default=0.0)


def _matches(pattern: str, path: str) -> bool:
    """Return whether the path begins as the pattern says; each * takes the nearest place, so time is linear in the path."""
    is_whole = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    place = len(first)
    for position, piece in enumerate(rest):
        if is_whole and position == len(rest) - 1:
            return path.endswith(piece) and len(path) - len(piece) >= place
        found = path.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return not is_whole or place == len(path)
