"""The model card, from Markdown to safe HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_FENCE = "---"
_HEADING_OFFSET = 2
_MAX_HEADING = 6


@dataclass(frozen=True)
class Card:
    """A model card: its metadata as text and its body as HTML."""

    metadata: str | None
    body: Markup


def render_card(text: str) -> Card:
    """Return the card with HTML in it shown as text, images left out, and headings two levels down."""
    metadata, body = _split(text)
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(body)
    _lower_headings(tokens)
    html = parser.renderer.render(tokens, parser.options, {})
    return Card(metadata, Markup(html))  # noqa: S704  the parser escapes all text and passes no HTML


def _split(text: str) -> tuple[str | None, str]:
    """Return (YAML metadata, the rest)."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FENCE:
        return None, text
    for i, line in enumerate(lines[1:], start=1):
        if line.strip() == _FENCE:
            return "\n".join(lines[1:i]), "\n".join(lines[i + 1 :])
    return None, text


def _lower_headings(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + _HEADING_OFFSET, _MAX_HEADING)}"
