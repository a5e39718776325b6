"""What a curation says of shares that look wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import DataError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.curate.funnel import Funnel
from groundup.curate.ledger.alarms import MIN_DOCUMENTS, Ground, raised
from groundup.curate.ledger.config import AlarmsConfig
from groundup.curate.ledger.groups import group_facts

STAGES = ["collect", "gopher-2021", "leakage"]
NOTHING = Ground(Funnel(STAGES), {}, {})


def flow(kept: int, dropped: dict[tuple[str, str], int], size: int = 100) -> Funnel:
    """Return a funnel of documents of one size; `dropped` counts those of (stage, rule)."""
    funnel = Funnel(STAGES)
    left = kept + sum(dropped.values())
    for stage in STAGES:
        for (where, rule), number in dropped.items():
            if where == stage:
                for _ in range(number):
                    funnel.dropped(stage, rule, size)
                left -= number
        for _ in range(left):
            funnel.passed(stage, size)
    return funnel


def ground(**sources: Funnel) -> Ground:
    total = Funnel(STAGES)
    for funnel in sources.values():
        total.add(funnel.to_tally())
    return Ground(total, sources, {name: {} for name in sources})


def kinds(settings: AlarmsConfig, found: Ground) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.where) for alarm in raised(settings, found)]


def test_a_stage_alarms_above_its_limit_and_not_on_it() -> None:
    at_limit, above = (ground(web=flow(100 - n, {("gopher-2021", "words_min"): n})) for n in (50, 51))
    assert kinds(AlarmsConfig(), at_limit) == []
    (alarm,) = raised(AlarmsConfig(), above)
    assert (alarm.kind, alarm.where, alarm.value, alarm.limit) == ("stage_loss", "gopher-2021", pytest.approx(0.51), 0.5)
    assert "took out 51 of the 100 documents that came to it (51%)" in alarm.message
    assert "'words_min' dropped most (51 documents, 5.1 kB)" in alarm.message
    assert "curate.alarms.stage_loss = 0.5" in alarm.message


def test_many_small_losses_alarm_together_and_a_single_large_one_alone() -> None:
    found = ground(web=flow(45, {("collect", "no_text"): 30, ("gopher-2021", "words_min"): 25}))
    assert kinds(AlarmsConfig(), found) == [("total_loss", "all stages")]
    found = ground(web=flow(10, {("gopher-2021", "words_min"): 90}))
    assert kinds(AlarmsConfig(), found) == [("stage_loss", "gopher-2021")]


def test_held_out_text_that_costs_a_tenth_alarms() -> None:
    found = ground(web=flow(85, {("leakage", "near_duplicate_of_validation"): 15}))
    assert kinds(AlarmsConfig(), found) == [("leakage_loss", "leakage")]


def test_a_source_that_vanishes_alarms_and_names_what_took_it() -> None:
    found = ground(web=flow(300, {}), tables=flow(1, {("gopher-2021", "stop_words"): 99}))
    by_kind = {alarm.kind: alarm for alarm in raised(AlarmsConfig(), found)}
    assert by_kind.keys() == {"source_loss", "rule_source"}
    assert by_kind["source_loss"].where == "tables"
    assert "1 of 100 documents and 100 B of 10 kB are left; rule 'stop_words'" in by_kind["source_loss"].message


def test_a_source_lost_to_edits_names_the_stage() -> None:
    funnel = Funnel(STAGES)
    funnel.passed("collect", 1000)
    funnel.passed("gopher-2021", 1000, 10)
    funnel.passed("leakage", 10)
    message = next(alarm.message for alarm in raised(AlarmsConfig(), ground(web=funnel)) if alarm.kind == "source_loss")
    assert "stage 'gopher-2021' took most out of them" in message


@pytest.mark.parametrize(
    ("one", "other", "alarms"),
    [
        ((30, 70), (0, 300), True),
        ((30, 70), (20, 300), False),  # drops of both
        ((MIN_DOCUMENTS - 1, 70), (0, 300), False),  # too few to tell
        ((30, 70), (0, 50), False),  # the source is most of the text
        ((30, 1000), (0, 9000), False),  # little of the source
    ],
)
def test_a_rule_that_hits_one_source_alarms(one: tuple[int, int], other: tuple[int, int], alarms: bool) -> None:
    rule = ("gopher-2021", "stop_words")
    found = ground(german=flow(one[1], {rule: one[0]}), web=flow(other[1], {rule: other[0]}))
    assert (("rule_source", "gopher-2021: stop_words") in kinds(AlarmsConfig(), found)) == alarms


def test_redaction_of_many_documents_alarms_for_that_kind_and_source() -> None:
    kept = {"documents": 90, "validation": 10}
    tallies = {
        "mails": {**kept, "redactions_by_kind": {"email": {"documents": 31, "places": 90}, "ipv4": {"documents": 30, "places": 1}}},
        "few": {"documents": MIN_DOCUMENTS - 1, "redactions_by_kind": {"email": {"documents": 5, "places": 5}}},
    }
    found = Ground(flow(1, {}), {}, tallies)
    (alarm,) = raised(AlarmsConfig(), found)
    assert (alarm.kind, alarm.where, alarm.value) == ("redacted_documents", "mails: email", 0.31)
    assert "31 of the 100 kept documents" in alarm.message


def of_groups(**sources: dict[str, tuple[tuple[int, int], tuple[int, int]]]) -> Ground:
    """Return a ground of two stages; a source says of each (dropped, kept) of those that name the group, and of the others."""
    tallies = {}
    for source, stages in sources.items():
        came = [sum(dropped for dropped, _ in column) + column[-1][1] for column in zip(*stages.values(), strict=True)]
        dropped = {stage: {"r": {"1": own[0], "0": other[0]}} for stage, (own, other) in stages.items()}
        tallies[source] = {"groups": {"came": {"1": came[0], "0": came[1]}, "dropped": dropped}}
    return Ground(Funnel(STAGES), {}, tallies, group_facts(["gender/women"], ["gopher-2021", "leakage"], tallies))


@pytest.mark.parametrize(
    ("sources", "where"),
    [
        ({"web": {"gopher-2021": ((60, 140), (100, 900))}}, ["gopher-2021: gender/women"]),
        ({"web": {"gopher-2021": ((10, 20), (2, 18))}}, []),  # 23 points, but by few documents
        ({"web": {"gopher-2021": ((10, 9), (0, 1000))}}, []),  # fewer than MIN_DOCUMENTS
        ({"web": {"gopher-2021": ((38, 162), (100, 900))}}, []),  # nine points
        ({"bad": {"gopher-2021": ((90, 10), (9, 1))}, "good": {"gopher-2021": ((1, 9), (10, 990))}}, []),  # the sources differ
        ({"web": {"gopher-2021": ((200, 1800), (300, 9700)), "leakage": ((200, 1600), (200, 9500))}}, ["all stages: gender/women"]),
    ],
)
def test_a_stage_that_takes_out_a_group_alarms_if_that_is_sure(sources: dict, where: list[str]) -> None:
    found = of_groups(**sources)
    assert [alarm.where for alarm in raised(AlarmsConfig(), found) if alarm.kind == "group_loss"] == where
    assert raised(AlarmsConfig(group_loss=1), found) == ()


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.tuples(
            st.integers(0, 40), st.dictionaries(st.tuples(st.sampled_from(STAGES), st.sampled_from("xy")), st.integers(1, 40))
        ),
        min_size=1,
    )
)
def test_limits_of_one_silence_all_and_every_message_names_its_setting(sources: dict) -> None:
    found = ground(**{name: flow(kept, dropped) for name, (kept, dropped) in sources.items()})
    limits = [name for name in AlarmsConfig.model_fields if name != "stop"]
    assert raised(AlarmsConfig(**dict.fromkeys(limits, 1.0)), found) == ()
    for alarm in raised(AlarmsConfig(**dict.fromkeys(limits, 0.0)), found):
        assert alarm.value > alarm.limit == 0
        assert f"curate.alarms.{alarm.kind} = 0" in alarm.message


def test_nothing_alarms_of_nothing() -> None:
    assert raised(AlarmsConfig(), NOTHING) == ()


@pytest.fixture
def lossy(write_jsonl, prose) -> CurateConfig:
    records = [{"text": prose(1)}, *({"text": f"short {i}"} for i in range(3))]
    return CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl(records)),), validation=0)


def test_alarms_are_in_the_files_and_on_the_terminal(lossy, curate, capsys) -> None:
    made = curate(lossy)
    (alarm,) = made.funnel["alarms"]
    assert (alarm["kind"], alarm["where"], alarm["value"]) == ("stage_loss", "gopher-2021", 0.75)
    assert alarm["message"] in " ".join(capsys.readouterr().err.split())
    assert alarm["message"] in (made.path / "data_card.md").read_text()


def test_alarms_stop_the_work_only_if_asked(lossy, curate, tmp_path) -> None:
    stopping = lossy.model_copy(update={"alarms": AlarmsConfig(stop=True)})
    with pytest.raises(DataError, match=r"curate\.alarms\.stop is true .*\n- stage 'gopher-2021' took out 3 of the 4"):
        curate(stopping)
    assert not (tmp_path / "out" / "manifest.json").exists()
    curate(lossy)
