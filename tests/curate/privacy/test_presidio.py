"""Streets and persons through the real Presidio, without a network."""

import re
import socket
import sys
from pathlib import Path

import pytest
import spacy

from groundup.core.errors import ConfigError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.privacy.config import RedactConfig
from groundup.curate.privacy.presidio import _PIECE_CHARS, pipeline_hash
from groundup.curate.privacy.redactor import Redactor
from groundup.curate.run import source_hashes

STREETS = [
    "She lives at 221B Baker Street, London.",
    "Send it to 1600 Pennsylvania Ave. NW, Washington",
    "at 12 N. Main St, Apt 4B and 350 5th Avenue and 10-12 High Road",
    "wohnt in der Hauptstraße 12a und am Alexanderplatz 3",
    "au 12 bis, rue de la Paix, et 5 avenue des Champs",
    "P.O. Box 1234",
]
NO_STREETS = [
    "chapter 12 of Street Life",
    "in 1999 the road was new",
    "12 people in the street",
    "the Main Street of 1990",
    "3 Drive",
]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def streets():
    return Redactor(RedactConfig(kinds=("street", "email")))


@pytest.mark.parametrize("text", STREETS)
def test_streets_are_found(streets, text):
    clean, redactions = streets.redact(text)
    assert redactions
    assert not re.search(r"\d", clean)
    assert {clean[found.start : found.end] for found in redactions} == {"<STREET>"}
    assert streets.redact(clean) == (clean, [])


@pytest.mark.parametrize("text", NO_STREETS)
def test_other_numbers_beside_roads_stay(streets, text):
    assert streets.redact(text) == (text, [])


def test_listed_names_are_persons():
    redact = Redactor(RedactConfig(kinds=("email", "person"), person_names=("Ann Lee", "Müller"))).redact
    assert redact("ann lee wrote to Müller, not to Müllerin: Ann Lee <ann@lee.org>")[0] == (
        "<PERSON> wrote to <PERSON>, not to Müllerin: <PERSON> <<EMAIL>>"
    )


def test_a_name_never_takes_in_a_placeholder():
    redact = Redactor(RedactConfig(kinds=("email", "person"), person_names=("EMAIL", "PERSON"))).redact
    assert redact("EMAIL a@b.org PERSON")[0] == "<PERSON> <EMAIL> <PERSON>"
    assert redact("<PERSON> <EMAIL> <PERSON>") == ("<PERSON> <EMAIL> <PERSON>", [])


@pytest.fixture
def pipeline(tmp_path):
    """A pipeline that calls 'Grace Hopper' a person and 'Arlington' a place, saved as a folder."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Grace Hopper"}, {"label": "GPE", "pattern": "Arlington"}])
    nlp.to_disk(tmp_path / "pipeline")
    return str(tmp_path / "pipeline")


def test_persons_of_a_pipeline(pipeline):
    redact = Redactor(RedactConfig(kinds=("person",), person_pipeline=pipeline, person_names=("Ann Lee",))).redact
    assert redact("Grace Hopper and Ann Lee met in Arlington.")[0] == "<PERSON> and <PERSON> met in Arlington."


def test_long_texts_are_read_in_pieces(pipeline):
    redact = Redactor(RedactConfig(kinds=("person",), person_pipeline=pipeline)).redact
    unit = "It was Grace Hopper who said so. "
    number = 3 * _PIECE_CHARS // len(unit)
    clean, redactions = redact(unit * number)
    assert clean == "It was <PERSON> who said so. " * number
    assert len(redactions) == number
    assert redact("x" * (3 * _PIECE_CHARS))[1] == []


def test_a_pipeline_that_is_not_there_is_not_downloaded():
    with pytest.raises(ConfigError, match="'en_core_web_xxl' is neither an installed spaCy pipeline nor a folder"):
        Redactor(RedactConfig(kinds=("person",), person_pipeline="en_core_web_xxl"))


def test_another_pipeline_of_the_same_name_is_another_order(pipeline, tmp_path, monkeypatch):
    """A folder, and an installed package that is not imported for it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("text")
    source = SourceConfig(name="s", path=tmp_path / "in")
    package = tmp_path / "site/pipe_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "model").write_text("1")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for name, changed in ((pipeline, Path(pipeline) / "meta.json"), ("pipe_of_a_test", package / "model")):
        config = CurateConfig(sources=(source,), redact=RedactConfig(kinds=("person",), person_pipeline=name))
        before = source_hashes(config)
        assert before["redact/person_pipeline"] == pipeline_hash(name)
        changed.write_text(changed.read_text() + " ")
        after = source_hashes(config)
        assert before["redact/person_pipeline"] != after["redact/person_pipeline"]
        assert before["s"] == after["s"]
    with pytest.raises(ConfigError, match="'no_such_pipe' is neither an installed spaCy pipeline nor a folder"):
        pipeline_hash("no_such_pipe")


def test_a_missing_extra_is_told_before_any_text_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    config = CurateConfig(sources=(SourceConfig(name="s", path=tmp_path),), redact=RedactConfig(kinds=("street",)))
    with pytest.raises(ConfigError, match="names 'street', which needs Presidio"):
        source_hashes(config)


@pytest.mark.parametrize("settings", [{"kinds": ("street",)}, {"kinds": ("person",), "person_names": ("Ann Lee",)}])
def test_without_the_extra_it_is_named(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(ConfigError, match=r"needs Presidio: pip install 'groundup\[presidio\]'"):
        Redactor(RedactConfig(**settings))
