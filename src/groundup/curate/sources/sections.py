"""Long documents cut into sections, where their text has a border."""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Iterator

from groundup.artifacts.documents import Document

_BORDERS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^(?=#{1,6} )",  # a heading of Markdown
        r"\n[ \t\r]*\n\s*",  # blank lines
        r"\n",
        r"[.!?…]['\"”’)\]]*\s+|[。！？]",  # ends of sentences
        r"\s+",
    )
)
"""Where a text may be cut, the best first: after the match."""
_ID = re.compile(r":section-\d+(?=(?:#\d+)?$)")
_MOST_JOINED = 64


def document_sections(document: Document, section_chars: int | None) -> Iterator[Document]:
    """Yield the sections of a document, or the document as it is if it has at most `section_chars` characters, or that is None.

    The id of a section is that of the document with `:section-N` behind it; `meta` counts them.
    """
    if section_chars is None or len(document.text) <= section_chars:
        yield document
        return
    texts = sections(document.text, section_chars)
    facts = json.loads(document.meta)
    for number, text in enumerate(texts, start=1):
        meta = json.dumps({**facts, "section": number, "sections": len(texts)}, ensure_ascii=False)
        yield dataclasses.replace(document, id=f"{document.id}:section-{number}", text=text, meta=meta)


def document_of(section_id: str) -> str:
    """Return the id of the document that a section was cut from; one that is no section's is returned as it is."""
    return _ID.sub("", section_id)


def sections(text: str, most_chars: int) -> list[str]:
    """Return `text` in pieces of at most `most_chars` characters and about equal length, which together are the text.

    A cut is made next to its place in an even division at a heading, else after blank lines, else at a line's end, a sentence's, a
    word's; text without any of these is cut anywhere but before a combining mark.
    """
    found, start = [], 0
    while len(text) - start > most_chars:
        left = len(text) - start
        target = left / -(-left // most_chars)
        low, high = start + int(target / 2), start + min(most_chars, int(1.5 * target))
        end = _cut(text, low, high, start + int(target))
        found.append(text[start:end])
        start = end
    return [*found, text[start:]]


def _cut(text: str, low: int, high: int, target: int) -> int:
    """Return where in (low, high] the text is best cut."""
    for border in _BORDERS:
        places = [match.end() for match in border.finditer(text, low, high) if low < match.end()]
        if places:
            return min(places, key=lambda place: abs(place - target))
    end = target
    while end > max(low + 1, target - _MOST_JOINED) and unicodedata.category(text[end]).startswith("M"):
        end -= 1
    return end
