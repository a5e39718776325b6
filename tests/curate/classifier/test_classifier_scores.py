"""What a classifier sees of a text and gives for it equals the slow version, and hangs on no other text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.classifier.slow_classifier import buckets_of, passages_of, score
from groundup.core.errors import ConfigError
from groundup.curate.classifier import features as features_module
from groundup.curate.classifier.config import FeaturesConfig
from groundup.curate.classifier.linear import Calibration, LinearClassifier, rounded
from groundup.curate.classifier.telling import named, reasons

WORDS = [
    "The",
    "the",
    "a",
    "Straße",
    "STRASSE",
    "x-ray",
    "don't",
    "42",
    "naïve",
    "नमस्ते",
    "知道",
    "e\u0301",
    "😀",
    "--",
    "İst",
    "ſ",
    "",
]
texts = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join) | st.text(max_size=50)
shapes = st.builds(
    FeaturesConfig,
    word_ngrams=st.integers(1, 3),
    char_ngrams=st.sampled_from([None, (1, 1), (2, 4)]),
    bucket_bits=st.sampled_from([10, 20]),
    passage_words=st.sampled_from([8, 9, 256]),
)


def classifier_of(shape: FeaturesConfig) -> LinearClassifier:
    weights = rounded(np.random.default_rng(0).normal(0, 3, 1 << shape.bucket_bits)).astype(np.float32)
    return LinearClassifier(shape, weights, 0.25, Calibration(1.5, -0.125))


@given(st.lists(texts, min_size=1, max_size=5), shapes)
@settings(deadline=None, max_examples=25)
def test_features_and_scores_equal_the_slow_version(given_texts, shape):
    found: list[list[list[int]]] = [[] for _ in given_texts]
    for block in features_module.passages_of(given_texts, shape):
        for at, text in enumerate(block.texts.tolist()):
            found[text].append(block.buckets[block.offsets[at] : block.offsets[at + 1]].tolist())
    assert found == [
        [
            buckets_of(words, shape.word_ngrams, shape.char_ngrams, shape.bucket_bits)
            for words in passages_of(text, shape.passage_words)
        ]
        for text in given_texts
    ]
    classifier = classifier_of(shape)
    scores = classifier.scores(given_texts)
    assert np.allclose(scores, [score(text, classifier) for text in given_texts], rtol=0, atol=2e-9)  # a score is cut to 2^-30
    assert scores.tolist() == [float(classifier.scores([text])[0]) for text in given_texts]


def test_a_score_hangs_on_the_text_alone_wherever_blocks_end(monkeypatch):
    """Long texts among short ones, in blocks of any size: the same bits."""
    shape = FeaturesConfig(char_ngrams=(3, 4), passage_words=64)
    random = np.random.default_rng(1)
    given_texts = [" ".join(f"w{number}" for number in random.integers(0, 5000, size)) for size in (3000, 0, 10, 20000, 63, 64, 65)]
    classifier = classifier_of(shape)
    scores = classifier.scores(given_texts)
    for block_words in (1, 100, 1 << 20):
        monkeypatch.setattr(features_module, "_BLOCK_WORDS", block_words)
        assert classifier.scores(given_texts).tolist() == scores.tolist()


def test_buckets_are_named_by_what_falls_into_them():
    shape = FeaturesConfig(char_ngrams=(3, 3))
    text = "Acute (renal) FAILURE"
    wanted = np.ones(1 << shape.bucket_bits, np.bool_)
    found = dict(named(text, wanted, shape))
    assert {"acute", "renal", "failure", "acute renal", "renal failure", "|acu|", "|te |", "|e r|", "|re |"} <= set(found.values())
    assert sorted(found) == buckets_of(["acute", "renal", "failure"], 2, (3, 3), shape.bucket_bits)
    assert found[buckets_of(["renal", "failure"], 2, None, 18)[0]] in ("renal", "failure", "renal failure")


def test_reasons_add_up_to_the_score():
    """All of them together, with the bias, are the mean of z over the passages."""
    classifier = classifier_of(FeaturesConfig(passage_words=8, bucket_bits=20))
    text = " ".join(f"w{at % 9}" for at in range(30))
    found = reasons(classifier, text, 1000)
    passages = next(features_module.passages_of([text], classifier.features))
    assert sum(reason.effect for reason in found) + classifier.bias == pytest.approx(classifier.logits(passages).mean(), abs=2e-3)
    assert {"w0", "w8 w0"} <= {reason.feature for reason in found}
    few = reasons(classifier, text, 2)
    effects = [reason.effect for reason in few]
    assert effects == sorted(effects, key=abs, reverse=True)
    assert len(few) == 4
    assert reasons(classifier, "...") == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"word_ngrams": 0}, "nothing to see"),
        ({"char_ngrams": (5, 3)}, "the shortest comes first"),
        ({"char_ngrams": (0, 3)}, "1 and 8"),
    ],
)
def test_features_that_are_none_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        FeaturesConfig.parse(settings, "test")
