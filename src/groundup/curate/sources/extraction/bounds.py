"""Pages that an HTML parser would take minutes or gigabytes for, told from the text alone in linear time."""

import re
from dataclasses import dataclass

MAX_HTML_BYTES = 8 << 20
"""A larger page is dropped unread: its tree takes up to 60 times its bytes. (Common Crawl cuts pages off at 5 MiB.)"""
MAX_TAGS = 300_000
"""Of a page, in the hundred bytes or more that each takes in the tree."""
MAX_DEPTH = 1000
"""Of elements within elements: the time of some parsers grows with its square. (Browsers go no deeper than 512.)"""
MAX_DEPTH_SUM = 20_000_000
"""Over all tags: the time of walking up from each of them."""
MAX_ATTRIBUTES = 4000
"""Of one tag: each is compared with all others."""
_FEW_TAGS = 1000
_SMALL_CHARS = 64 << 10
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_QUOTED = re.compile(r"=\s*(?:\"[^\"]*\"|'[^']*')")
_OPEN_TAG = re.compile(r"<[a-zA-Z][^>]{4000,}")
_SEPARATOR = re.compile(r"[\s/=]+")
_ENDLESS = "area base br col embed hr img input link meta param source track wbr"
_ENDED_BY_THE_NEXT = "p li dt dd option optgroup tr td th thead tbody tfoot colgroup html head body"
_NEVER_OPEN = frozenset(f"{_ENDLESS} {_ENDED_BY_THE_NEXT}".split())


@dataclass(frozen=True)
class Excess:
    """A bound that a page is beyond."""

    rule: str
    what: str
    value: float
    threshold: float


def excess(html: str) -> Excess | None:
    """Return the first bound that the page is beyond, or None."""
    num_tags = html.count("<")
    if num_tags > MAX_TAGS:
        return Excess("html_too_many_tags", "tags", num_tags, MAX_TAGS)
    if num_tags - html.count("</") > _FEW_TAGS:
        depth, depth_sum = _depths(html)
        if depth > MAX_DEPTH:
            return Excess("html_too_deep", "elements within each other", depth, MAX_DEPTH)
        if depth_sum > MAX_DEPTH_SUM:
            return Excess("html_too_deep", "as the sum of the depths of its tags", depth_sum, MAX_DEPTH_SUM)
    if len(html) > _SMALL_CHARS:
        bare = (_SEPARATOR.findall(tag) for tag in _OPEN_TAG.findall(_QUOTED.sub(" = ", html)))
        most = max(map(len, bare), default=0)
        if most > MAX_ATTRIBUTES:
            return Excess("html_too_many_attributes", "attributes in one tag", most, MAX_ATTRIBUTES)
    return None


def _depths(html: str) -> tuple[int, int]:
    """Return how deep elements lie in each other at most, and the sum over all tags; ends early once that is too much."""
    depth = deepest = depth_sum = 0
    for end, name in _TAG.findall(html):
        if name.lower() not in _NEVER_OPEN:
            depth = max(depth - 1, 0) if end else depth + 1
        if depth > deepest:
            deepest = depth
            if depth > MAX_DEPTH:
                break
        depth_sum += depth
    return deepest, depth_sum
