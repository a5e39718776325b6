"""Social security numbers of the United States."""

import re
from collections.abc import Iterator

from groundup.curate.privacy.context import words_before
from groundup.curate.privacy.digits import goes_on, starts_inside
from groundup.curate.privacy.kind import Finder, Span

_SSN = re.compile(
    r"[0-8](?<![\w].)[0-9]{2}(?<!000|666)(?P<by>[ \u00a0-]|[\u2010\u2011\u2013]?)(?!00)[0-9]{2}(?P=by)(?!0000)[0-9]{4}"
    r"(?!\w|[-.][0-9])"
)
_LABEL = re.compile(r"\bSSNs?\b|\bsocial[\s-]+security\b|\bsoc(?:ial)?\.?\s*sec\.?\b|\bSS\s?(?:#|no\b)", re.IGNORECASE)


class SocialSecurityNumbers(Finder):
    """Finds 3-2-4 digits of an area, group and serial that are given out: area not 000, 666 or 9xx, none of the others all zero.

    Without dashes or spaces, and within a row of numbers, only after words that name it.
    """

    def find(self, text: str) -> Iterator[Span]:
        for match in _SSN.finditer(text):
            start, end = match.span()
            by_dashes = bool(match["by"].strip())
            part_of_more = starts_inside(text, start) and not (by_dashes and text[start - 1].isspace())
            stands_alone = match["by"] and not part_of_more and (by_dashes or not goes_on(text, end))
            if stands_alone or _LABEL.search(words_before(text, start)):
                yield start, end
