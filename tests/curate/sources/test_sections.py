"""Long documents in sections: nothing is lost, no section is too long, and one document's sections are held out together."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundup.artifacts.documents import Document
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.sources.files import Files
from groundup.curate.sources.sections import document_of, document_sections, sections

LETTERS = st.sampled_from(
    ["a", "word", " ", "  ", "\n", "\n\n", "\r\n\r\n", "# One\n", "## Two\n", ". ", "!”\n", "。", "e\u0301", "\u0301", "א"]
)
TEXT = st.lists(LETTERS, max_size=400).map("".join)


@given(TEXT, st.integers(4, 90))
def test_sections_are_the_text_and_short_enough(text, most):
    found = sections(text, most)
    assert "".join(found) == text
    assert all(len(section) <= most for section in found)
    assert all(found) or not text
    if len(text) > most:  # an even division has no crumbs
        assert min(map(len, found)) * 8 >= min(most, len(text) / len(found))


def words(number: int, length: int = 9) -> str:
    return " ".join(f"w{number}x{place}" for place in range(length))


@pytest.mark.parametrize(
    ("border", "begins"),
    [("\n\n## Chapter\n\n", "## Chapter"), ("\n\n", "w"), ("\n", "w"), (". ", "w"), ("。", "w"), (" ", "w")],
)
def test_a_text_is_cut_at_the_best_border_that_it_has(border, begins):
    worse = {"\n\n## Chapter\n\n": "\n\n", "\n\n": "\n", "\n": ". "}.get(border, "_")
    text = border.join(worse.join(words(10 * part + line) for line in range(6)) for part in range(5))
    found = sections(text, 1 + len(text) // 4)
    assert len(found) >= 4
    assert all(section.startswith(begins) for section in found[1:])
    whole = [border.join(worse.join(words(10 * part + line) for line in range(6)) for part in [part]) for part in range(5)]
    assert border == " " or all(any(one.strip() in section for section in found) for one in whole)


def test_a_text_without_borders_is_not_cut_before_a_combining_mark():
    found = sections("e\u0301" * 5_000, 999)
    assert {section[0] for section in found} == {"e"}
    assert "".join(found) == "e\u0301" * 5_000
    assert len(sections("\u0301" * 5_000, 1_000)) in (5, 6)


def test_a_long_text_is_cut_in_linear_time():
    assert len(sections("\n \r" * 400_000 + "!'\"" * 400_000 + "# " * 400_000, 1_000)) >= 3_200


def test_ids_and_places(tmp_path: Path):
    document = Document("books:a.md", f"{words(1, 300)}\n\n{words(2, 300)}", "books", url="u", meta='{"file": "a.md"}')
    first, second = document_sections(document, 2_500)
    assert (first.id, second.id, second.url) == ("books:a.md:section-1", "books:a.md:section-2", "u")
    assert json.loads(second.meta) == {"file": "a.md", "section": 2, "sections": 2}
    assert [document_of(name) for name in (first.id, f"{second.id}#2", document.id)] == [
        document.id,
        f"{document.id}#2",
        document.id,
    ]
    assert list(document_sections(document, None)) == [document] == list(document_sections(document, len(document.text)))


def test_a_source_gives_sections_in_any_parts(tmp_path: Path):
    lines = [
        json.dumps({"id": f"d{number}", "text": "\n\n".join(words(10 * number + part, 40) for part in range(number))})
        for number in range(1, 30)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    source = Files(SourceConfig(name="s", path=tmp_path / "a.jsonl", section_chars=1_000), 3_000)
    found = list(source.documents())
    parts = source.parts(tmp_path / "scratch")
    assert len(parts) > 5
    assert [one for part in parts for one in source.read_part(part, tmp_path / "scratch")] == found
    assert len(found) > len(lines)
    assert {document_of(one.id) for one in found} == {f"d{number}" for number in range(1, 30)}


def test_sections_of_one_document_are_held_out_together(tmp_path: Path, curate, rows, prose):
    (tmp_path / "in").mkdir()
    for book in range(12):
        (tmp_path / "in" / f"{book}.md").write_text("\n\n".join(prose(20 * book + part) for part in range(8)))
    twice = [
        {"id": "same", "text": "\n\n".join(prose(number + part) for part in range(size))} for number, size in ((500, 4), (600, 9))
    ]
    (tmp_path / "in" / "twice.jsonl").write_text("".join(json.dumps(record) + "\n" for record in twice))
    source = SourceConfig(name="s", path=tmp_path / "in", section_chars=2_000)
    made = curate(CurateConfig(sources=(source,), rules=(), validation=0.3))
    trained, held_out = (rows(made, name) for name in ("documents", "validation"))
    assert len(trained) + len(held_out) == made.manifest.counts["collected"] > 60
    books = [{document_of(row["id"]) for row in found} for found in (trained, held_out)]
    assert all(books)
    assert not books[0] & books[1]
    assert (
        len({id(found) for found in (trained, held_out) for row in found if json.loads(row["meta"])["file"] == "twice.jsonl"}) == 1
    )
    card = (made.path / "data_card.md").read_text()
    assert "folder, long documents in sections of at most 2,000 characters" in card
    assert "of whole documents: all sections of one, or none" in card


def test_a_section_of_a_few_words_is_refused():
    with pytest.raises(ValidationError, match="section_chars"):
        SourceConfig(name="s", path=Path("x"), section_chars=10)
