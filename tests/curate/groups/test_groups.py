"""Groups that texts name, and what the stages do to those texts: against slow versions, published numbers, and a planted bias."""

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError, StorageError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.groups.compare import Z, mantel_haenszel, newcombe, wilson
from groundup.curate.groups.finder import GroupFinder
from groundup.curate.groups.tally import ALL_STAGES, GroupFlow, GroupTally, flows_of
from groundup.curate.groups.terms import MAX_GROUPS, read_terms, shipped_terms
from groundup.curate.ledger.tallies import summed

TERMS = {"axis": {"greek": ["alpha", "beta gamma", "Beta"], "other": ["gamma", "naïve", "STRASSE", "हिन्दी", "alpha beta gamma"]}}
FINDER = GroupFinder(TERMS)


def found(*texts: str) -> list[set[str]]:
    return [{name.partition("/")[2] for name in FINDER.named(mask)} for mask in FINDER.find(texts).tolist()]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("Alpha; alphabet", {"greek"}),
        ("alphabet, betas, gammas", set()),
        ("beta-gamma", {"greek", "other"}),
        ("the Straße", {"other"}),
        ("STRASSEN", set()),
        ("na\u00efve", {"other"}),
        ("naïvely", set()),
        ("हिन्दी।", {"other"}),
        ("हिन्दीय", set()),
        ("it’s alpha’s", {"greek"}),
        ("", set()),
        ("...", set()),
    ],
)
def test_whole_words_in_any_case(text, groups):
    assert found(text) == [groups]


def test_a_phrase_does_not_go_on_in_the_next_text():
    finder = GroupFinder({"a": {"b": ["same sex couple"]}})
    assert finder.find(["same sex", "couple", "same sex\ncouple", "same", "sex couple same sex"]).tolist() == [0, 0, 1, 0, 0]
    assert finder.find([]).tolist() == []


@given(
    st.lists(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "Beta,", "alpha.", "ALPHA"]), max_size=12), max_size=9)
)
def test_groups_are_those_of_expressions(texts):
    """Against one regular expression a group, in texts given together."""
    joined = [" ".join(words) for words in texts]
    expressions = {
        group: re.compile("|".join(r"\b" + term.casefold().replace(" ", r"\W+") + r"\b" for term in terms))
        for group, terms in TERMS["axis"].items()
    }
    slow = [{group for group, found in expressions.items() if found.search(text.casefold())} for text in joined]
    assert found(*joined) == slow


def test_shipped_terms_stand_once_and_are_found():
    listed = [(axis, group, term) for axis, groups in shipped_terms().items() for group, terms in groups.items() for term in terms]
    assert len({term.casefold() for _, _, term in listed}) == len(listed) > 100
    finder = GroupFinder(shipped_terms())
    for (axis, group, term), mask in zip(listed, finder.find([f"Of {term}." for _, _, term in listed]).tolist(), strict=True):
        assert f"{axis}/{group}" in finder.named(mask), term
    (mask,) = finder.find(["The women of the church"]).tolist()
    assert finder.named(mask) == ("gender/women", "religion/christian")


def test_terms_of_ones_own_stand_beside_the_shipped(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text("trade: {bakers: [baker, bakers]}\nage: {old: [greybeard]}\n")
    finder = GroupFinder(read_terms(path))
    (mask,) = finder.find(["A greybeard baker and an adolescent"]).tolist()
    assert finder.named(mask) == ("age/old", "age/young", "trade/bakers")


@pytest.mark.parametrize("content", ["- a\n", "a: b\n", "a: {b: c}\n", "a: {b: [1]}\n", "a: {b: ['...']}\n", "{", "a: {b: [x\n"])
def test_a_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "terms.yaml"
    path.write_text(content)
    with pytest.raises(DataError, match=r"terms\.yaml"):
        read_terms(path)


def test_more_groups_than_bits_are_refused(tmp_path):
    path = tmp_path / "terms.yaml"
    path.write_text(json.dumps({"axis": {f"g{number}": [f"word{number}"] for number in range(MAX_GROUPS)}}))
    with pytest.raises(DataError, match=rf"there are \d+ groups, and at most {MAX_GROUPS} are counted"):
        read_terms(path)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([None, ("s", "r"), ("s", "q"), ("t", "r")])), max_size=60))
def test_tallies_of_parts_add_up_to_what_each_stage_saw(documents):
    """Against a walk of every document through the stages."""
    parts = [GroupTally(), GroupTally()]
    for number, (mask, fate) in enumerate(documents):
        parts[number % 2].came([mask])
        if fate is not None:
            parts[number % 2].dropped(*fate, mask)
    tally = json.loads(json.dumps(summed([part.to_tally() for part in parts])))
    for bit in range(3):
        flows = flows_of(tally, ["s", "t"], bit)
        counts: dict[str, Counter] = {name: Counter() for name in ("s", "t", ALL_STAGES)}
        for mask, fate in documents:
            kind = "own" if mask >> bit & 1 else "other"
            counts[ALL_STAGES][kind, fate is not None] += 1
            for stage in ("s", "t"):
                counts[stage][kind, fate is not None and fate[0] == stage] += 1
                if fate is not None and fate[0] == stage:
                    break
        for stage, flow in flows.items():
            seen = counts[stage]
            assert (flow.came, flow.dropped) == (seen["own", True] + seen["own", False], seen["own", True])
            assert (flow.others_came, flow.others_dropped) == (seen["other", True] + seen["other", False], seen["other", True])
            assert stage == ALL_STAGES or sum(flow.by_rule.values()) == flow.dropped
        assert set(counts) - set(flows) == {
            stage for stage in ("s", "t") if not any(fate and fate[0] == stage for _, fate in documents)
        }


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_of_a_share_are_those_published(part, whole, low, high):
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(part, whole) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("shares", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((10, 10, 0, 20), 0.6791, 1.0000),
        ((10, 10, 0, 10), 0.6075, 1.0000),
        ((5, 56, 0, 29), -0.0381, 0.1926),
    ],
)
def test_intervals_of_a_difference_are_those_published(shares, low, high):
    """Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10."""
    assert newcombe(*shares) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_a_difference_lies_in_its_interval_and_turns_with_its_sign(part, rest, other, other_rest):
    low, high = newcombe(part, part + rest, other, other + other_rest)
    value = part / (part + rest) - other / (other + other_rest)
    assert -1 - 1e-12 <= low <= value <= high <= 1 + 1e-12
    turned = newcombe(other, other + other_rest, part, part + rest)
    assert turned == (pytest.approx(-high), pytest.approx(-low))
    assert newcombe(part, part + rest, other, other + other_rest, 2 * Z)[0] <= low


def test_sources_are_compared_with_themselves():
    """Of two sources one loses nine tenths of all it has, the other a tenth: the mix makes the difference, not the group."""
    harsh, mild = GroupFlow(90, 81, 10, 9, {}), GroupFlow(10, 1, 90, 9, {})
    assert mantel_haenszel([harsh, mild]) == pytest.approx(0)
    assert mantel_haenszel([GroupFlow(50, 20, 50, 10, {})]) == pytest.approx(0.2)
    assert mantel_haenszel([GroupFlow(10, 5, 0, 0, {})]) == 0
    both = [GroupFlow(20, 10, 30, 6, {}), GroupFlow(5, 1, 15, 6, {})]
    weights = [20 * 30 / 50, 5 * 15 / 20]
    assert mantel_haenszel(both) == pytest.approx((weights[0] * (0.5 - 0.2) + weights[1] * (0.2 - 0.4)) / sum(weights))


@pytest.fixture
def biased(write_jsonl, prose):
    """A corpus and a rule that takes out what names women: half of the documents, which are otherwise like the others."""
    records = [{"id": f"d{i}", "text": f"{prose(i)} {'The women met.' if i % 2 else 'They met.'}"} for i in range(120)]
    records += [{"id": "copy", "text": records[1]["text"]}, {"id": "none", "text": " "}, {"id": "control", "text": "\u0007"}]
    words = write_jsonl([], "list.txt")
    words.write_text("women\n")
    rules = {"name": "biased", "word_list": words, "rules": [{"measure": "listed_words", "at_most": 0}]}
    source = SourceConfig(name="web", path=write_jsonl(records))
    return CurateConfig(sources=(source,), rules=(rules,), validation=0.05, part_bytes=16 << 10)


def test_a_filter_that_drops_a_group_is_seen(biased, curate):
    """As Dodge et al. 2021 found of lists of bad words."""
    made = curate(biased)
    groups = {one["group"]: one for one in json.loads((made.path / "groups.json").read_text())["groups"]}
    women = groups["gender/women"]
    assert (women["documents_before"], women["documents_after"]) == (61, 0)
    (stage,) = [one for one in women["stages"] if one["stage"] == "biased"]
    assert (stage["came"], stage["dropped"], stage["others_came"], stage["others_dropped"]) == (61, 61, 60, 0)
    assert stage["by_rule"] == {"listed_words_max": 61}
    assert stage["share_of_all"] == pytest.approx(61 / 121)
    assert stage["difference"]["low"] > 0.9
    (alarm,) = [one for one in made.funnel["alarms"] if one["kind"] == "group_loss"]
    assert alarm["where"] == "biased: gender/women"
    assert "took out 100% of the 61 documents that name 'gender/women' (61) and 0% of the others" in alarm["message"]
    card = (made.path / "data_card.md").read_text()
    assert "| gender/women | 61 | 0 | 100% | " in card
    assert alarm["message"] in card


def test_what_is_counted_is_all_that_was_dropped_and_kept(biased, curate):
    """Documents that name a group and those that do not are the documents of the funnel; parts do not matter."""
    made = curate(biased)
    funnel = {stage["stage"]: stage for stage in made.funnel["stages"]}
    for one in json.loads((made.path / "groups.json").read_text())["groups"]:
        for stage in one["stages"]:
            seen = funnel[stage["stage"]]
            assert stage["came"] + stage["others_came"] == seen["docs_in"]
            assert stage["dropped"] + stage["others_dropped"] == seen["docs_in"] - seen["docs_out"]
        whole = one["whole"]
        assert whole["came"] + whole["others_came"] == funnel["collect"]["docs_out"] == 122
        assert whole["came"] - whole["dropped"] == one["documents_after"]
    again = curate(biased.model_copy(update={"part_bytes": 1 << 20}), "again")
    assert (again.path / "groups.json").read_bytes() == (made.path / "groups.json").read_bytes()


def test_nothing_is_counted_unless_asked(biased, curate, tmp_path):
    made = curate(CurateConfig.parse({**biased.model_dump(mode="json"), "groups": False}, "test"))
    assert not (made.path / "groups.json").exists()
    assert "It was not counted whom the stages took out." in (made.path / "data_card.md").read_text()
    for settings, words in (
        ({"groups": {"enabled": False, "terms": "x.yaml"}}, "terms has no effect"),
        ({"groups": False, "alarms": {"group_loss": 0.2}}, "alarms.group_loss=0.2 has no effect"),
    ):
        with pytest.raises(ValueError, match=words):
            CurateConfig(**{**biased.model_dump(), **settings})
    missing = CurateConfig(**{**biased.model_dump(), "groups": {"terms": tmp_path / "missing.yaml"}})
    with pytest.raises(StorageError, match=r"missing\.yaml"):
        curate(missing, "missing")
