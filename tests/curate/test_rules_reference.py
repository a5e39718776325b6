"""Every measure and verdict equals the slow version, on texts made to be difficult and on books and answers of doctors."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.slow_rules import SLOW, c4_line, edited, refinedweb_line
from groundup.curate.rules import characters
from groundup.curate.rules.batch import Batch
from groundup.curate.rules.judge import Judge
from groundup.curate.rules.lines import edit
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.rules.rule import KEEPS

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[3] / "shared/data"))
OF_OTHER_TESTS = {"listed_words", "listed_words_per_word", "classifier_score", "perplexity", "flagged_words"}
PAPERS = [name for name in RULE_SETS if name != "mild-words"]
EDITED = {"c4-jmlr": c4_line, "refinedweb": refinedweb_line}
ODDITIES = """
the be to of and that have with THE That a bb a bb Mr. mrs. e.g. U.S. J. end. end.) so... wait… .. .... ... … "Yes." (no!) done.”
* - • •x -5 **b** # ## #a { } {x [1] [2], [edit] [12 [] word[3]. javascript JavaScript, xjavascripty terms of use
policy Privacy cookie cookies uses Use use lorem ipsum Lorem LOREM ABC ÄÖ É é ß İ ſ 12 ½ ² 一 二 3 likes 1.2k Views 4 comments!
sign-in Log in Sign up read more Read more... items in cart item 2 𝒳 𝟙 \u0301 w\u00adx
K Kookie _ __ a_ _. ). )) . ! ? 。 是的。 نعم؟ _a. .a. a.b. ab.c. no. x.)))))))
x.)))))))) x.))))))))) x.)]»”’)]}* capt. (capt. xcapt. xxcapt. 1capt.
"""
PIECES = [*ODDITIES.split(), "a\x00", "bb\x00"]
SPACES = [
    " ",
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\u00a0",
    "\u2028",
    "\x0b",
    "\x1c",
    "\n",
    "\n",
    "\n",
    "\n\n",
    " \n",
    "\n \n",
    "\n\t\n",
    "\r\n",
]


def spaced(words: list[str], spaces: list[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(st.sampled_from(words), st.sampled_from(spaces)), max_size=80)
    return pairs.map(lambda found: "".join(word + space for word, space in found))


texts = spaced(PIECES, SPACES)
repetitive = spaced(["a", "bb", "ccc", "d"], [" ", " ", " ", "\n", "\n\n"])
batches = st.lists(texts | repetitive | st.text(max_size=40), min_size=1, max_size=6)


def assert_measured(given_texts: list[str]) -> None:
    batch = Batch.of(given_texts)
    for name, slow in SLOW.items():
        found = MEASURES[name].of(batch).tolist()
        assert found == [slow(text) for text in given_texts], name


def assert_edited(given_texts: list[str], name: str) -> None:
    batch, edits = edit(Batch.of(given_texts), RULE_SETS[name])
    for at, text in enumerate(given_texts):
        left, taken, flagged = edited(text, EDITED[name])
        assert batch.texts[at] == left
        assert Counter({found.rule: found.count for found in edits.get(at, [])}) == taken
        assert batch.flagged_words[at] == flagged
    assert_measured_after(batch)


def assert_measured_after(batch: Batch) -> None:
    """The words that an edited batch holds are those of its texts."""
    for name, slow in SLOW.items():
        assert MEASURES[name].of(batch).tolist() == [slow(text) for text in batch.texts], name


def slow_verdict(text: str, names: list[str]) -> tuple[str, tuple[str, str, float] | None]:
    for name in names:
        if name == "c4-jmlr":
            for measure in ("lorem_ipsum", "curly_brackets"):
                if SLOW[measure](text) > 0:
                    return text, (name, measure, SLOW[measure](text))
        flagged = 0.0
        if name in EDITED:
            text, _, flagged = edited(text, EDITED[name])
        for rule in RULE_SETS[name].rules:
            value = flagged if rule.measure == "flagged_words" else SLOW[rule.measure](text)
            if not KEEPS[rule.bound](value, rule.threshold):
                return text, (name, rule.name, value)
    return text, None


def assert_judged(given_texts: list[str], names: list[str]) -> int:
    dropped = 0
    for text, verdict in zip(given_texts, Judge([RULE_SETS[name] for name in names]).judge(given_texts), strict=True):
        broken = (verdict.broken.rule_set, verdict.broken.rule.name, verdict.broken.value) if verdict.broken else None
        assert (verdict.text, broken) == slow_verdict(text, names)
        dropped += broken is not None
    return dropped


def test_the_slow_version_knows_every_measure():
    assert SLOW.keys() == MEASURES.keys() - OF_OTHER_TESTS
    assert EDITED.keys() == {name for name, rule_set in RULE_SETS.items() if rule_set.lines}


@given(batches)
@settings(max_examples=150, deadline=None)
def test_measures_equal_the_slow_version(given_texts):
    assert_measured(given_texts)


@given(batches)
@settings(max_examples=60, deadline=None)
def test_texts_longer_than_a_piece_are_measured_the_same(given_texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(characters, "_PIECE_CHARS", 5)
        assert_measured(given_texts)


@given(batches)
@settings(max_examples=100, deadline=None)
def test_taking_some_texts_changes_no_measure(given_texts):
    batch = Batch.of(given_texts)
    chosen = [at % 2 == 0 for at in range(len(given_texts))]
    assert_measured_after(batch.take(np.array(chosen)))


@pytest.mark.parametrize("name", EDITED)
@given(given_texts=batches)
@settings(max_examples=100, deadline=None)
def test_edited_lines_equal_the_slow_version(name, given_texts):
    assert_edited(given_texts, name)


@pytest.mark.parametrize("names", [PAPERS, PAPERS[::-1], ["refinedweb", "c4-jmlr", "fineweb-code"]])
@given(given_texts=batches)
@settings(max_examples=60, deadline=None)
def test_verdicts_equal_the_slow_version(names, given_texts):
    assert_judged(given_texts, names)


def prose() -> list[str]:
    """Pieces of books of about 1.5 kB, and answers of medical questions."""
    books = [path.read_text() for path in sorted((DATA / "books").glob("*.md"))[::3]]
    pieces = [text[at : at + 1500] for text in books for at in range(20_000, min(len(text), 200_000), 30_000)]
    with (DATA / "medquad/qa.jsonl").open() as records:
        return pieces + [json.loads(record)["answer"][:3000] for at, record in enumerate(records) if at % 120 == 0]


@pytest.mark.skipif(not (DATA / "books").is_dir(), reason=f"no {DATA}: set GROUNDUP_DATA to the folder of books and medquad")
def test_prose_is_measured_edited_and_judged_as_by_the_slow_version():
    pieces = prose()
    assert len(pieces) > 200
    assert_measured(pieces)
    for name in EDITED:
        assert_edited(pieces, name)
    assert assert_judged(pieces, PAPERS) > 10
