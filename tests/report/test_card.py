"""The model card in the page."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from groundup.report.card import render_card

SAFE_TAGS = frozenset(
    "p h3 h4 h5 h6 a strong em code pre ul ol li blockquote hr br table thead tbody tr th td".split()  # noqa: SIM905
)
PIECES = (
    "<",
    ">",
    "&",
    '"',
    "'",
    "`",
    "[",
    "]",
    "(",
    ")",
    "!",
    "#",
    "*",
    "|",
    "-",
    "\n",
    " ",
    "script",
    "img",
    "javascript:",
    "x",
    "&#x3c;",
)


class Tags(HTMLParser):
    """The tags and links of some HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_no_text_becomes_live_html(pieces: list[str]) -> None:
    found = Tags(render_card("".join(pieces)).body)
    assert found.tags <= SAFE_TAGS
    assert {name for name, _ in found.attributes} <= {"href", "title", "class", "style", "start"}
    assert not any(name == "href" and value.lower().startswith("javascript:") for name, value in found.attributes)


def test_metadata_is_apart_and_headings_are_lowered() -> None:
    card = render_card("---\nlicense: mit\n---\n# Name\n## Use\n")
    assert card.metadata == "license: mit"
    assert "<h3>Name</h3>" in card.body
    assert "<h4>Use</h4>" in card.body


def test_metadata_without_an_end_is_text() -> None:
    card = render_card("---\nlicense: mit\n")
    assert card.metadata is None
    assert "license: mit" in card.body
