"""Hardware addresses of network devices."""

import re
from collections.abc import Iterator

from groundup.curate.privacy.kind import Finder, Span

_AFTER_TWO = re.compile(
    r"(?P<by>[:-])(?<=[0-9A-Fa-f]{2}.)(?<![\w:-][0-9A-Fa-f]{2}.)[0-9A-Fa-f]{2}(?:(?P=by)[0-9A-Fa-f]{2}){4}(?![\w]|[:-]\w)"
)
_NOBODY = frozenset({"0" * 12, "f" * 12})


class MacAddresses(Finder):
    """Finds six bytes in hexadecimal with colons or hyphens between (IEEE 802, clause 8), all zeros and all ones aside."""

    def find(self, text: str) -> Iterator[Span]:
        for match in _AFTER_TWO.finditer(text):
            start, end = match.start() - 2, match.end()
            if text[start:end].replace(match["by"], "").lower() not in _NOBODY:
                yield start, end
