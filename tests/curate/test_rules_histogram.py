"""Histograms: every value counted once, thresholds on edges, tallies of parts add up."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError
from groundup.curate.rules import judge as judging
from groundup.curate.rules.histogram import Histogram, Histograms
from groundup.curate.rules.judge import Judge
from groundup.curate.rules.measures import MEASURES
from groundup.curate.rules.published import RULE_SETS

TEXTS = ["", "the cat and some dog went on " * 10, "a short one.\n" * 9, *(f"text {i} of the many " * i for i in range(30))]
RULES = [(name, rule) for name, rule_set in RULE_SETS.items() for rule in rule_set.of_documents]


def as_dict(tally: Histograms) -> dict[tuple[str, str], dict]:
    return {key: found.to_json() for key, found in tally.by_rule.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_edges_rise_from_zero(measure):
    edges = MEASURES[measure].edges
    assert edges[0] == 0
    assert all(low < high for low, high in itertools.pairwise(edges))


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[f"{name}-{rule.name}" for name, rule in RULES])
def test_thresholds_lie_on_edges(name, rule):
    assert rule.threshold in MEASURES[rule.measure].edges


@given(st.lists(st.floats(0, 2), max_size=50))
def test_every_value_is_counted_in_its_bin(values):
    histogram = Histogram("bullet_lines")
    histogram.add(np.array(values))
    edges = [*MEASURES["bullet_lines"].edges, float("inf")]
    expected = [sum(low <= value < high for value in values) for low, high in itertools.pairwise(edges)]
    assert histogram.counts.tolist() == expected


def test_tallies_of_parts_add_up_to_the_tally_of_the_whole():
    judge = Judge(list(RULE_SETS.values()))
    whole, total = Histograms(), Histograms()
    judge.judge(TEXTS, whole)
    for part in (TEXTS[:7], TEXTS[7:20], TEXTS[20:]):
        tally = Histograms()
        judge.judge(part, tally)
        total.merge(Histograms.from_json(json.loads(json.dumps(tally.to_json()))))
    assert as_dict(total) == as_dict(whole)
    first = whole.by_rule["gopher-2021", "words_min"]
    assert first.counts.sum() == len(TEXTS)


def test_only_texts_that_came_to_a_set_are_counted():
    sets = [RULE_SETS["gopher-2021"], RULE_SETS["fineweb-paper"]]
    tally = Histograms()
    kept = sum(not (verdict.broken and verdict.broken.rule_set == "gopher-2021") for verdict in Judge(sets).judge(TEXTS, tally))
    assert 0 < kept < len(TEXTS)
    assert tally.by_rule["fineweb-paper", "short_lines"].counts.sum() == kept


def test_bins_of_another_version_are_refused():
    data = Histogram("num_words").to_json()
    with pytest.raises(DataError, match="other bins"):
        Histogram.from_json({**data, "edges": data["edges"][:-1]})


def test_a_very_long_text_is_measured_to_the_rule_that_it_breaks(monkeypatch):
    monkeypatch.setattr(judging, "MAX_BATCH_CHARS", 20)
    tally = Histograms()
    (verdict,) = Judge([RULE_SETS["gopher-2021"]]).judge(["word " * 5], tally)
    assert verdict.broken is not None
    assert list(tally.by_rule) == [("gopher-2021", "words_min")]
