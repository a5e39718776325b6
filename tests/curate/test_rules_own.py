"""Rule sets of one's own: settings, word lists, and their place among the published ones."""

import json
from pathlib import Path

import pytest

from groundup.core.errors import ConfigError, StorageError
from groundup.curate.config import CurateConfig
from groundup.curate.dedup.config import DecontaminateConfig, RepeatedPassagesConfig, TaskItemsConfig
from groundup.curate.explain import explain
from groundup.curate.language.config import LanguagesConfig
from groundup.curate.ledger.words import STAGES
from groundup.curate.perplexity.config import PerplexityConfig
from groundup.curate.rules.chosen import chosen_sets, word_lists
from groundup.curate.rules.config import STAGE_NAMES
from groundup.curate.rules.judge import Judge
from groundup.curate.rules.published import RULE_SETS
from groundup.curate.run import source_hashes
from groundup.curate.stages import stages_of

OWN = {"name": "mine", "rules": [{"measure": "num_words", "at_least": 3}, {"measure": "duplicate_line_chars", "below": 0.2}]}


def config(*rules) -> CurateConfig:
    return CurateConfig.parse({"sources": [{"name": "s", "path": "x"}], "rules": list(rules)}, "recipe.yaml")


def test_own_sets_stand_among_published_ones():
    sets = chosen_sets(config("fineweb-paper", OWN))
    assert [rule_set.name for rule_set in sets] == ["fineweb-paper", "mine"]
    assert [(rule.name, rule.bound, rule.threshold) for rule in sets[1].rules] == [
        ("num_words_min", "at_least", 3),
        ("duplicate_line_chars_max", "below", 0.2),
    ]
    few, many = Judge(sets[1:]).judge(["two words", "now three words"])
    assert few.broken is not None
    assert (few.broken.rule_set, few.broken.rule.name, few.broken.value) == ("mine", "num_words_min", 2)
    assert many.broken is None


def test_own_rules_about_lines_edit_the_text():
    own = {"name": "mine", "lines": [{"measure": "words", "above": 2}], "rules": [{"measure": "flagged_words", "at_most": 0.5}]}
    kept, dropped = Judge(chosen_sets(config(own))).judge(["one two three\nhome page", "one two three\nhome page\ncontact us"])
    assert (kept.text, kept.broken) == ("one two three", None)
    assert [(edit.rule, edit.count) for edit in kept.edits] == [("line_words_min", 1)]
    assert dropped.broken is not None
    assert (dropped.broken.rule.name, dropped.broken.value) == ("flagged_words_max", 4 / 7)


def test_settings_survive_the_way_through_a_file():
    before = config("massivetext", OWN)
    assert CurateConfig.parse(before.model_dump(mode="json"), "again") == before


def test_an_order_is_replaced_by_its_sets():
    assert config("massivetext", "c4-jmlr").rules == ("gopher-2021", "gopher-2021-repetition", "c4-jmlr")


def test_word_list(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("# not in our corpus\nDarn\nblue  moon # a phrase\n\nx-rated\n")
    chosen = config({"name": "bad", "word_list": str(path), "rules": [{"measure": "listed_words", "at_most": 0}]})
    assert word_lists(chosen) == {"bad": path}
    texts = ["DARN it", "darned", "a Blue\tMoon", "blue moons", "(darn) x-Rated darn", "nothing"]
    found = [verdict.broken.value if verdict.broken else 0 for verdict in Judge(chosen_sets(chosen)).judge(texts)]
    assert found == [1, 0, 1, 0, 3, 0]


@pytest.mark.parametrize(("content", "error"), [(b"# nothing\n", "has no entry"), (b"caf\xe9\n", "is not UTF-8")])
def test_a_word_list_that_is_none_is_refused(tmp_path, content, error):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    chosen = config({"name": "bad", "word_list": str(path), "rules": [{"measure": "listed_words", "at_most": 0}]})
    with pytest.raises(ConfigError, match=error):
        chosen_sets(chosen)


def test_a_missing_word_list_is_named(tmp_path):
    chosen = config({"name": "bad", "word_list": str(tmp_path / "no.txt"), "rules": [{"measure": "listed_words", "at_most": 0}]})
    with pytest.raises(StorageError, match=r"no\.txt"):
        chosen_sets(chosen)


def rule(measure: str, **bounds) -> dict:
    return {"measure": measure, **bounds}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gofer-2021", "no rule set is called 'gofer-2021'; did you mean 'gopher-2021'?"),
        ("massive", "did you mean 'massivetext'?"),
        ({**OWN, "rules": []}, "set 'mine' has no rules"),
        (
            {"name": "m", "rules": [rule("nr_words", at_least=1)]},
            "'nr_words'; did you mean 'num_words'?",
        ),
        ({"name": "m", "lines": [rule("word", at_least=1)]}, "is called 'word'; did you mean 'words'?"),
        ({"name": "m", "rules": [rule("num_words")]}, "this one has none"),
        ({"name": "m", "rules": [rule("num_words", at_least=1, at_most=2)]}, "this one has at_least and at_most"),
        ({"name": "m", "rules": [rule("num_words", at_leats=1)]}, "did you mean 'at_least'?"),
        (
            {"name": "m", "rules": [rule("num_words", at_least=1), rule("num_words", above=2)]},
            "num_words_min twice",
        ),
        ({"name": "m", "rules": [rule("flagged_words", at_most=0)]}, "has no `lines` that could flag any"),
        ({"name": "m", "rules": [rule("listed_words", at_most=0)]}, "need each other"),
        ({**OWN, "word_list": "bad.txt"}, "need each other"),
        ({**OWN, "name": "c4-jmlr"}, "is the name of a published set"),
        ({**OWN, "name": "redact"}, "is the name of a published set or of a stage"),
        ({**OWN, "name": "My Set"}, "'name'"),
        (3, "'rules"),
    ],
)
def test_impossible_sets_are_refused_with_the_reason(given, said):
    with pytest.raises(ConfigError) as caught:
        config(given)
    assert said in str(caught.value)
    assert str(caught.value).startswith("recipe.yaml: 'rules")


def test_no_set_can_take_the_name_of_a_stage():
    sought = {
        "decontaminate": DecontaminateConfig(items=(TaskItemsConfig(path=Path("tasks")),)),
        "languages": LanguagesConfig(keep=("en",)),
        "repeated_passages": RepeatedPassagesConfig(kind="windows"),
        "perplexity": PerplexityConfig(models={"any": Path("model")}),
    }
    assert tuple(stages_of(config().model_copy(update=sought))) == STAGE_NAMES
    assert set(STAGES) == set(STAGE_NAMES), "each stage is told in words"


def test_a_set_named_twice_is_refused():
    for rules in ([OWN, OWN], ["gopher-2021", "massivetext"]):
        with pytest.raises(ConfigError, match="a rule set is named twice"):
            config(*rules)


def test_edits_and_drops_go_into_documents_funnel_and_explanation(write_jsonl, curate, rows, prose):
    texts = {
        "edited": f"{prose(1)}.\n\nHome | News\n{prose(2)}. {prose(3)}.",
        "dropped": f"{prose(4)}.\nHome | News",
        "whole": f"{prose(5)}. {prose(6)}. {prose(7)}.",
    }
    path = write_jsonl([{"id": name, "text": text} for name, text in texts.items()])
    mine = {"name": "mine", "rules": [rule("num_words", above=100)]}
    settings = {"sources": [{"name": "s", "path": str(path)}], "rules": ["c4-jmlr", mine], "validation": 0, "deduplicate": False}
    made = curate(CurateConfig.parse({**settings, "redact": False}, "test"))
    assert {row["id"]: row["text"] for row in rows(made, "documents")} == {
        "edited": texts["edited"].replace("Home | News\n", ""),
        "whole": texts["whole"],
    }
    flow = {stage["stage"]: stage for stage in json.loads((made.path / "funnel.json").read_text())["stages"]}
    num_left = sum(len(row["text"].encode()) for row in rows(made, "documents"))
    assert flow["c4-jmlr"]["by_rule"] == {"sentences_min": 1}
    assert flow["c4-jmlr"]["bytes_out"] == flow["mine"]["bytes_in"] == num_left
    assert flow["c4-jmlr"]["bytes_in"] == sum(len(text.encode()) for text in texts.values())
    kept = {(check.stage, check.rule): check for check in explain(made.path, "edited").checks}
    assert (kept["mine", "num_words_min"].bound, kept["mine", "num_words_min"].value) == ("above", 360)
    (dropped,) = explain(made.path, "dropped").checks
    assert (dropped.stage, dropped.rule, dropped.value, dropped.bound) == ("c4-jmlr", "sentences_min", 1, "at_least")


def test_another_list_is_another_order(tmp_path, write_jsonl):
    path = tmp_path / "bad.txt"
    path.write_text("darn\n")
    bad = {"name": "bad", "word_list": str(path), "rules": [rule("listed_words", at_most=0)]}
    settings = {"sources": [{"name": "s", "path": str(write_jsonl([{"text": "x"}]))}], "rules": [bad]}
    before = source_hashes(CurateConfig.parse(settings, "test"))
    path.write_text("heck\n")
    after = source_hashes(CurateConfig.parse(settings, "test"))
    assert before["s"] == after["s"]
    assert before["rules/bad"] != after["rules/bad"]


def test_the_shipped_list_counts_whole_words_and_phrases_over_all_words():
    """By hand: 2 of 60 and 1 of 60 words; a word that only begins so, and a name in a phrase, count nothing."""
    texts = [
        f"Shut up, you MORON! {'fine ' * 56}",
        f"That damn door. {'fine ' * 57}",
        "Scunthorpe and the Passing crapshoot " + "fine " * 20,
    ]
    found = [verdict.broken for verdict in Judge([RULE_SETS["mild-words"]]).judge(texts)]
    assert [broken and broken.value for broken in found] == [2 / 60, None, None]
