"""Personal data and secrets out of the text, typed placeholders in."""

from collections.abc import Iterable
from dataclasses import dataclass

from groundup.curate.privacy import KINDS
from groundup.curate.privacy.config import KindName, RedactConfig
from groundup.curate.privacy.kind import Finder, placeholder
from groundup.curate.privacy.signs import Sign


@dataclass(frozen=True, slots=True)
class Redaction:
    """Where a placeholder stands in the redacted text (in characters). The value it replaced is not kept."""

    kind: KindName
    start: int
    end: int


class Redactor:
    """Replaces what the settings name. Made once a worker: it holds the prepared finders and nothing of the texts."""

    def __init__(self, config: RedactConfig) -> None:
        by_sign: dict[Sign, list[tuple[KindName, Finder]]] = {}
        for name, kind in KINDS.items():
            if name in config.kinds:
                by_sign.setdefault(kind.sign, []).append((name, kind.finder(config)))
        self._by_sign = list(by_sign.items())

    def redact(self, text: str) -> tuple[str, list[Redaction]]:
        """Return `text` with every find replaced by its kind's placeholder, and where these stand.

        Where finds overlap, the kind that stands first in KINDS wins. A value that only a replacement lays bare (two run
        together) is found by looking again, until nothing is found: redacting the result changes nothing.
        """
        redactions: list[Redaction] = []
        while found := self.find(text):
            text, redactions = replaced(text, redactions, found)
        return text, redactions

    def find(self, text: str) -> list[Redaction]:
        """Return the finds in the text as it is, in order, none overlapping another."""
        found: dict[KindName, list[Redaction]] = {}
        for sign, finders in self._by_sign:
            if sign(text):
                for name, finder in finders:
                    spans = [Redaction(name, start, end) for start, end in finder.find(text)]
                    if spans:
                        found[name] = spans
        return _by_precedence(found[name] for name in KINDS if name in found) if found else []


def _by_precedence(by_kind: Iterable[list[Redaction]]) -> list[Redaction]:
    """Return the finds of the first kind, those of the second that overlap none of them, and so on."""
    taken: list[Redaction] = []
    for finds in by_kind:
        taken = _merged(taken, finds) if taken else finds
    return taken


def _merged(taken: list[Redaction], finds: list[Redaction]) -> list[Redaction]:
    """Return both lists in order, without the `finds` that overlap one of `taken`; each is ordered and free of overlaps."""
    merged: list[Redaction] = []
    position = 0
    for find in finds:
        while position < len(taken) and taken[position].end <= find.start:
            merged.append(taken[position])
            position += 1
        if position == len(taken) or taken[position].start >= find.end:
            merged.append(find)
    return merged + taken[position:]


def replaced(text: str, before: list[Redaction], found: list[Redaction]) -> tuple[str, list[Redaction]]:
    """Return the text with `found` replaced, and where these placeholders and those from `before` stand in it.

    A find that takes in a placeholder from before replaces it too.
    """
    pieces: list[str] = []
    redactions: list[Redaction] = []
    done = length = 0
    for there in _merged(found, before):
        word = placeholder(there.kind)
        pieces += (text[done : there.start], word)
        start = length + there.start - done
        length = start + len(word)
        done = there.end
        redactions.append(Redaction(there.kind, start, length))
    pieces.append(text[done:])
    return "".join(pieces), redactions
