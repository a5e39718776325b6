"""The watch over scores that are given, and the band between its points."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import build
from groundup.artifacts.band import BAND_FILE, Band, BandFacts, BandPoint
from groundup.artifacts.build import Job, Outcome
from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.core.files import write_json
from groundup.train.hooks.config import WatchConfig
from groundup.train.hooks.watch import PICTURE_FILE, WATCH_FILE, Watch, check_band

FACTS = BandFacts(
    params=1000,
    tokens=1000,
    vocab_size=350,
    tokenizer="t" * 64,
    held_out="h" * 64,
    held_out_tokens=64,
    held_out_targets=64,
    shards="s" * 64,
    runs=8,
    flops_ratio=10.0,
    points=tuple(
        BandPoint(tokens=tokens, loss=loss, low_95=loss - 0.2, low_80=loss - 0.1, high_80=loss + 0.1, high_95=loss + 0.2)
        for tokens, loss in ((100, 5.0), (400, 4.0), (1000, 3.5))
    ),
)
MINE = {name: getattr(FACTS, name) for name in ("tokenizer", "held_out", "params", "tokens", "held_out_targets", "shards")}


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Band:
    def write(_: Config, job: Job) -> Outcome:
        write_json(job.out / BAND_FILE, FACTS.model_dump(mode="json"))
        return Outcome({"params": FACTS.params})

    return build(Band, tmp_path_factory.mktemp("band") / "band", write)


class Run:
    """A run whose scores are given; a step is 20 tokens, and each is scored."""

    def __init__(self, band: Band, out: Path, **config: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self.events: list[tuple[int, str]] = []
        self.stops: list[str] = []
        self.out = out
        settings = WatchConfig.model_validate({"band": "band", "evaluations": 3, "action": "stop", **config})
        self.watch = Watch(band, settings, lambda: self.rows, out, self._tell, self.stops.append)

    def _tell(self, event: str) -> None:
        self.events.append((self.rows[-1]["step"], event))

    def score(self, step: int, off: float, last: bool = False) -> str | None:
        """Score the step so far off the band's middle; known scores from that step on are forgotten, as after a rollback."""
        bounds = FACTS.at(20 * step, 95)
        loss = (bounds.loss if bounds else 6.0) + off
        self.rows = [*(row for row in self.rows if row["step"] < step), {"step": step, "tokens": 20 * step, "loss": loss}]
        return self.watch({"step": step, "last": last})

    @property
    def left(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.out / WATCH_FILE).read_text())["left"]
        return found


def test_it_stops_after_so_many_in_a_row_above(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path)
    said = [run.score(step, off) for step, off in ((6, 0.3), (7, 0.3), (8, 0.1), (9, 0.3), (10, 0.3))]
    assert said == ["above the band", "above the band", None, "above the band", "above the band"]
    assert not run.stops
    assert not (tmp_path / WATCH_FILE).exists()
    run.score(11, 0.3)
    assert run.events == [(11, "above the band")]
    (words,) = run.stops
    assert "3 evaluations in a row above the band" in words
    assert str(tmp_path / PICTURE_FILE) in words
    assert [(left["step"], left["side"], left["stopped"]) for left in run.left] == [(11, "above", True)]
    assert (tmp_path / PICTURE_FILE).read_text().startswith("<?xml")


def test_nothing_is_judged_before_the_band_begins(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path, evaluations=1)
    assert [run.score(step, 3.0) for step in (1, 2, 3, 4)] == [None] * 4
    assert not run.stops
    run.score(5, 3.0)
    assert run.stops


def test_a_loss_that_is_too_low_warns_and_never_stops(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path)
    for step in range(6, 12):
        run.score(step, -0.5)
    assert run.events == [(8, "below the band")]
    assert not run.stops
    assert [(left["side"], left["stopped"]) for left in run.left] == [("below", False)]


def test_a_warning_is_told_once_a_time_that_it_leaves(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path, action="warn", evaluations=2)
    for step, off in enumerate((0.3, 0.3, 0.3, 0.3, 0.0, 0.3, 0.3), start=6):
        run.score(step, off)
    assert [step for step, _ in run.events] == [7, 12]
    assert not run.stops


def test_the_narrower_bounds_can_be_asked_for(band: Band, tmp_path: Path) -> None:
    wide, narrow = (Run(band, tmp_path, evaluations=1, interval=interval) for interval in (95, 80))
    for run in (wide, narrow):
        run.score(6, 0.15)
    assert (len(wide.stops), len(narrow.stops)) == (0, 1)


def test_going_on_after_a_stop_is_watched_anew(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path)
    for step in (6, 7, 8):
        run.score(step, 0.3)
    again = Run(band, tmp_path)
    again.rows = run.rows
    for step in (9, 10):
        again.score(step, 0.3)
    assert not again.stops
    again.score(11, 0.3)
    assert [left["step"] for left in again.left] == [8, 11]
    assert again.stops


def test_a_rollback_takes_back_what_was_found_after_it(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path, action="warn")
    for step in (6, 7, 8):
        run.score(step, 0.3)
    assert [left["step"] for left in run.left] == [8]
    run.score(7, 0.0)
    assert run.left == []


def test_a_step_without_a_score_changes_nothing(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path, evaluations=1)
    run.score(6, 0.0)
    assert run.watch({"step": 7, "last": False}) is None
    assert not list(tmp_path.iterdir())


def test_the_last_score_writes_the_picture_and_stops_nothing(band: Band, tmp_path: Path) -> None:
    run = Run(band, tmp_path, evaluations=1)
    run.score(50, 0.3, last=True)
    assert (run.stops, [left["step"] for left in run.left]) == ([], [50])
    assert (tmp_path / PICTURE_FILE).is_file()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tokenizer", "x" * 64, "is of another tokenizer: tttttttttttt, this run has xxxxxxxxxxxx; losses a token do not compare"),
        ("held_out", "x" * 64, "is of another dataset"),
        ("params", 2000, "is of another model, by its parameters: 1,000, this run has 2,000; make a band"),
        ("tokens", 1500, "is of another length of run, in tokens: 1,000, this run has 1,500"),
        ("held_out_targets", 32, "set pretrain.evaluate.max_tokens"),
    ],
)
def test_a_band_of_another_run_is_refused(band: Band, field: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_band(band, {**MINE, field: value}, "pretrain.watch.band")
    assert words in str(error.value)
    assert "leave pretrain.watch out" in str(error.value)


def test_a_band_of_this_run_and_of_other_training_text_is_taken(band: Band, capsys: pytest.CaptureFixture[str]) -> None:
    check_band(band, {**MINE, "tokens": 1008}, "key")
    assert not capsys.readouterr().err
    check_band(band, {**MINE, "shards": "x" * 64}, "key")
    assert "other training text" in capsys.readouterr().err


@given(st.integers(100, 5000))
def test_bounds_lie_on_lines_over_the_logarithm_of_tokens(tokens: int) -> None:
    found = FACTS.at(tokens, 95)
    assert found is not None
    assert found.low <= found.loss <= found.high
    if 100 <= tokens <= 400:
        share = math.log(tokens / 100) / math.log(4)
        assert found.loss == pytest.approx(5.0 - share)
        assert found.high == pytest.approx(5.2 - share)
    elif tokens >= 1000:
        assert found.loss == pytest.approx(3.5)


@pytest.mark.parametrize("tokens", [1, 99])
def test_there_are_no_bounds_before_the_first_point(tokens: int) -> None:
    assert FACTS.at(tokens, 95) is None
