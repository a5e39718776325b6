"""E-mail addresses."""

import re
from collections.abc import Iterator

from groundup.curate.privacy.kind import Finder, Span

_DOMAIN = re.compile(r"@(?<=[\w.%+'-]@)([\w-]{1,63}+(?:\.[\w-]{1,63}+){1,8})")
_LOCAL_BACKWARDS = re.compile(r"[\w.%+'-]+")
_MAX_LOCAL_CHARS = 64
_TOP_LEVEL = re.compile(r"[^\W\d_]{2,24}|[xX][nN]--[A-Za-z0-9-]{2,59}")
_FILE_ENDINGS = re.compile(
    r"png|jpe?g|gif|svg|webp|bmp|ico|tiff|pdf|jsx?|tsx|css|html?|json|xml|ya?ml|t?gz|tar|exe|dll|conf|"
    r"service|socket|timer|(?:auto)?mount|slice",
    re.IGNORECASE,
)
"""Last parts of names with an '@' that are files (icon@2x.png) and units (getty@tty1.service), and no top-level domains."""


class Emails(Finder):
    """Finds a local part before, and two or more labels after, each '@' (RFC 5321 section 4.1.2; RFC 6531 for other scripts).

    Anchored on the sign: the search for it is that of one character, and looks 64 characters back and eight labels on.
    """

    def find(self, text: str) -> Iterator[Span]:
        done = 0
        for match in _DOMAIN.finditer(text):
            at = match.start()
            end = at + 1 + _domain_len(match[1])
            local = _LOCAL_BACKWARDS.match(text[max(done, at - _MAX_LOCAL_CHARS - 1) : at][::-1])
            if end == at + 1 or local is None or local.end() > _MAX_LOCAL_CHARS:
                continue
            start = at - len(local[0].rstrip(".'-"))
            if start < at:
                yield start, end
                done = end


def _domain_len(domain: str) -> int:
    """Return how much of the run of labels is a domain: up to the last label that can be a top-level domain, 0 if none can."""
    labels = domain.rstrip("-_").split(".")
    while len(labels) > 1:
        if _TOP_LEVEL.fullmatch(labels[-1]):
            return 0 if _FILE_ENDINGS.fullmatch(labels[-1]) else len(".".join(labels))
        labels.pop()
    return 0
