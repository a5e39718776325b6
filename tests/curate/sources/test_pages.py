"""HTML, WARC and WET: main text, ids and places; bounds against pages that parsers choke on."""

import gzip
import json
import os
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archives
from groundup.artifacts.documents import Document
from groundup.curate.config import Extraction, SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.extraction import EXTRACTORS, bounds
from groundup.curate.sources.extraction.bounds import excess
from groundup.curate.sources.files import Files
from peaks import run_measured

try:
    import trafilatura  # noqa: F401
except ImportError:
    HAS_TRAFILATURA = False
else:
    HAS_TRAFILATURA = True
ARTICLE = "The ship left the harbour in the morning and did not come back for three years, which nobody had expected of her. "
PAGE = f"""<!doctype html><html><head><title>A title</title><style>p {{}}</style><script>var x = 1;</script></head><body>
<header><nav><ul><li><a href="/">Home page</a></li><li><a href="/b">Our products</a></li></ul></nav></header>
<main><article><h1>The ship</h1><p>{ARTICLE * 3}</p><p>{ARTICLE * 2} Caf&eacute;.</p></article></main>
<footer>Copyright by the owner</footer></body></html>"""


def read(path: Path, part_bytes: int = 16 << 20, **config) -> list[Document | Drop]:
    source = Files(SourceConfig(name="s", path=path, **config), part_bytes)
    found = list(source.documents())
    scratch = path.parent / "scratch"
    assert [one for part in source.parts(scratch) for one in source.read_part(part, scratch)] == found
    return found


def test_extractors_have_the_names_of_the_settings():
    assert set(EXTRACTORS) == set(get_args(Extraction))


@pytest.mark.parametrize("extraction", EXTRACTORS)
def test_main_text_of_a_folder_of_pages(tmp_path, extraction):
    if extraction == "precision" and not HAS_TRAFILATURA:
        pytest.skip("trafilatura is not there")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.html").write_text(PAGE)
    (tmp_path / "in" / "b.htm").write_bytes(PAGE.replace("&eacute;", "é").encode("latin-1"))
    (tmp_path / "in" / "c.html").write_text("<html><body><script>var x = 1</script></body></html>")
    one, two, empty = read(tmp_path / "in", extraction=extraction)
    assert (one.id, json.loads(one.meta)) == ("s:a.html", {"file": "a.html"})
    assert " ".join(one.text.split()).count(ARTICLE.strip()) == 5
    assert "Café." in one.text
    assert not [word for word in ("Home page", "Copyright", "var x", "p {") if word in one.text]
    assert two.text == one.text
    assert (empty.rule, empty.stage) == ("no_main_text", "collect")


@pytest.mark.parametrize(
    ("data", "charset", "expected"),
    [
        ("<p>žluťoučký kůň</p>".encode(), b"", "žluťoučký kůň"),
        ("<p>žluťoučký kůň</p>".encode("iso-8859-2"), b"iso-8859-2", "žluťoučký kůň"),
        ('<meta charset="windows-1251"><p>Привет, мир</p>'.encode("cp1251"), b"", "Привет, мир"),
        ("<p>שלום עולם e\u0301</p>".encode(), b"", "שלום עולם e\u0301"),
        ("<p>text</p>".encode("utf-8-sig"), b"", "text"),
        (b"<p>" + b"x" * 2000 + b"\xff</p>", b"utf-8", "x" * 2000 + "\ufffd"),
        (b"<p>text \xff\xfe\xff</p>", b"utf-8", None),
        (b"<p>text</p>", b"no-such-charset", "text"),
    ],
)
def test_encodings_of_pages(tmp_path, data, charset, expected):
    kind = "text/html" + (f"; charset={charset.decode()}" if charset else "")
    (found,) = read(archives.write(tmp_path / "a.warc", [archives.response(data, kind)]))
    assert (found.rule if expected is None else found.text) == (expected or "invalid_encoding")


def test_archives_give_documents_with_url_date_and_record_id(tmp_path):
    records = [
        archives.record("warcinfo", b"software: x\r\n", number=1),
        archives.record("request", b"GET / HTTP/1.1\r\n\r\n", number=2),
        archives.response(archives.page("The page."), number=3),
        archives.response(archives.page("gone"), status=404, number=4),
        archives.response(b"\x89PNG", "image/png", number=5),
        archives.response(b"plain words", "text/plain", number=6),
        archives.record("conversion", b"Text of a WET file.\n", number=7, headers=b"Content-Type: text/plain\r\n"),
        archives.response(gzip.compress(archives.page("Packed.")), number=8, headers=b"Content-Encoding: gzip\r\n"),
        archives.response(b"no gzip at all", number=9, headers=b"Content-Encoding: gzip\r\n"),
        archives.response(b"6\r\n<p>Chu\r\n3\r\nnk.\r\n0\r\n\r\n", number=10, headers=b"Transfer-Encoding: chunked\r\n"),
    ]
    for name, pack in (("a.warc", bytes), ("b.warc.gz", gzip.compress)):
        found = read(archives.write(tmp_path / name, records, pack))
        kept = {one.id: one.text for one in found if isinstance(one, Document)}
        assert kept == {
            "urn:uuid:3": "The page.",
            "urn:uuid:6": "plain words",
            "urn:uuid:7": "Text of a WET file.\n",
            "urn:uuid:8": "Packed.",
            "urn:uuid:10": "Chunk.",
        }
        dropped = {one.id: one.rule for one in found if isinstance(one, Drop)}
        assert dropped == {"urn:uuid:4": "http_status", "urn:uuid:5": "content_type", "urn:uuid:9": "invalid_http"}
        assert json.loads(found[0].meta) == {"file": name, "record": 2, "date": "2026-01-02T03:04:05Z"}
        assert found[0].url == "http://e.org/"


SIZES = st.lists(st.integers(0, 200), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(SIZES, st.sampled_from(["plain", "members", "one member", "pairs"]), st.integers(1, 800), st.none() | st.integers(1, 60))
def test_archives_in_parts_of_any_size(tmp_path_factory, sizes, layout, part_bytes, cut_off):
    """However the records lie in compressed members, and where the file is cut off."""
    folder = tmp_path_factory.mktemp("case")
    records = [archives.record("conversion", os.urandom(size).hex().encode(), number=n) for n, size in enumerate(sizes)]
    step = {"plain": 1, "members": 1, "one member": len(records), "pairs": 2}[layout]
    groups = [b"".join(records[start : start + step]) for start in range(0, len(records), step)]
    path = archives.write(
        folder / f"a.warc{'' if layout == 'plain' else '.gz'}", groups, bytes if layout == "plain" else gzip.compress
    )
    if cut_off:
        path.write_bytes(path.read_bytes()[:-cut_off])
    found = read(path, part_bytes)
    if not cut_off:
        assert [one.id for one in found] == [f"urn:uuid:{n}" for n in range(len(sizes))]
    documents = [one for one in found if isinstance(one, Document)]
    assert all(len(one.text) == 2 * sizes[n] for n, one in enumerate(documents))
    assert len(found) - len(documents) <= 1


def test_archives_of_separate_members_are_cut(tmp_path):
    records = [archives.record("conversion", os.urandom(500).hex().encode(), number=n) for n in range(30)]
    source = Files(SourceConfig(name="s", path=archives.write(tmp_path / "a.warc.gz", records, gzip.compress)), part_bytes=5000)
    assert [part.pieces[0].first for part in source.parts(tmp_path / "scratch")] == [0, 5, 10, 15, 20, 25]


def test_damage_within_an_archive_keeps_what_came_before(tmp_path):
    records = [archives.record("conversion", b"words " * 100, number=n) for n in range(10)]
    path = archives.write(tmp_path / "a.warc.gz", records, gzip.compress)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20] = b"\xff" * 20
    path.write_bytes(bytes(data))
    *documents, drop = read(path, 1000)
    assert [one.id for one in documents] == [f"urn:uuid:{n}" for n in range(len(documents))]
    assert 3 <= len(documents) <= 5
    assert (drop.rule, drop.id) == ("damaged", f"s:a.warc.gz:{len(documents)}")


def test_a_record_beyond_the_bound_is_a_drop_and_the_next_is_read(tmp_path):
    records = [archives.record("conversion", b"a" * 500, number=1), archives.record("conversion", b"next", number=2)]
    packed = archives.response(gzip.compress(b"<p>" + b"a" * 5000), number=3, headers=b"Content-Encoding: gzip\r\n")
    source = Files(SourceConfig(name="s", path=archives.write(tmp_path / "a.warc", [*records, packed])))
    source.max_record_bytes = 200
    long, following, unpacked = source.documents()
    assert (long.rule, long.value, following.text) == ("record_too_long", 500, "next")
    assert (unpacked.rule, unpacked.value) == ("record_too_long", 201)


BAD_PAGES = {
    "html_too_large": lambda: "<p>" + "words " * (bounds.MAX_HTML_BYTES // 6 + 1),
    "html_too_many_tags": lambda: "<b>x</b>" * 300_000,
    "html_too_deep": lambda: "<div>" * 1_000_000 + "words",
    "html_too_many_attributes": lambda: "<p " + " ".join(f"a{n}={n}" for n in range(100_000)) + ">words",
}


@pytest.mark.parametrize("rule", BAD_PAGES)
def test_a_page_beyond_a_bound_is_a_drop_with_value_and_threshold(tmp_path, rule):
    (tmp_path / "a.html").write_text(BAD_PAGES[rule]())
    (drop,) = read(tmp_path / "a.html")
    expected = "html_too_many_tags" if rule == "html_too_deep" else rule
    assert drop.rule == expected
    assert drop.value > drop.threshold


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        ("<div>" * 1001 + "x", "html_too_deep"),
        ("<div>" * 1000 + "x" + "</div>" * 1000, None),
        ("<DIV class='a'>" * 1001, "html_too_deep"),
        ("<div><p>x<br></div>" * 20_000, None),
        ("<p>x<li>y<td>z" * 20_000, None),
        ("<div>" * 990 + "<br>x" * 30_000, "html_too_deep"),
        ('<a x=">' + "<" * 2000 + '">', None),
        ("<p " + "a b " * 3000 + ">" + " " * 70_000, "html_too_many_attributes"),
        ("<img src='data:" + "ab/ " * 30_000 + "'>", None),
        ("<p>" + "many words in one paragraph " * 10_000, None),
    ],
)
def test_bounds_on_pages(html, rule):
    found = excess(html)
    assert (found.rule if found else None) == rule


WORST = """
import sys
from groundup.curate.sources.extraction import EXTRACTORS
from groundup.curate.sources.extraction.bounds import MAX_DEPTH, excess
pages = [
    "<div>" * MAX_DEPTH + "words" , "<table><tr><td>" * MAX_DEPTH + "words", "<b>x</b>" * 140_000 + "words",
    "".join(f"<font a={n}>" for n in range(900)) + "<p>x" * 15_000, "<div>" * 990 + "<br>x" * 15_000,
    "<select><option>" * 400 + "<svg><foreignObject>" * 200, "<!--" * 10_000, "<p " + " ".join(f"a{n}" for n in range(3900)) + ">x",
    "</p>" * 100_000, "<template>" * 900, "<p>\\ud800".encode(errors="replace").decode(), "&#1114112;" * 1000,
]
for page in pages:
    assert excess(page) is None, page[:40]
    EXTRACTORS[sys.argv[1]]().main_text(page)
for piece in ("<a x='", '="', "<", "<a ", "='\\"", "</", "<p>=\\"'", "= ", '<a "'):
    excess(piece * (1_000_000 // len(piece)))
"""


@pytest.mark.parametrize("extraction", EXTRACTORS)
def test_pages_within_the_bounds_neither_crash_nor_take_long_nor_much_memory(extraction):
    """In a process of its own, as a crash of native code ends the process, and what grew with the square would take hours."""
    if extraction == "precision" and not HAS_TRAFILATURA:
        pytest.skip("trafilatura is not there")
    _, peak_bytes = run_measured(WORST, extraction)
    assert 30 << 20 < peak_bytes < 300 << 20
