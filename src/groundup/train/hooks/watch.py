"""Held-out scores of a run beside its band: a warning, or a stop, where they leave it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from groundup.artifacts.band import Band, BandFacts
from groundup.core.errors import ConfigError
from groundup.core.files import read_object, write_json
from groundup.core.lazy import lazy
from groundup.core.log import say
from groundup.train.hooks.config import WatchConfig
from groundup.train.hooks.hook import Row

WATCH_FILE = "watch.json"
PICTURE_FILE = "watch.svg"
LENGTH_TOLERANCE = 0.01
"""By which the run may be longer or shorter than the band's: whole steps seldom make the same number of tokens."""
Side = Literal["above", "below", "inside", "early"]
REASONS: Final = {
    "above": "it learns less than smaller runs let expect: look at the learning rate, at what changed in the data, at the code",
    "below": "it is better than smaller runs let expect: held-out text may have come into the training text",
}
_picture = lazy("groundup.train.hooks.watch_picture")


@dataclass(frozen=True)
class Left:
    """The run left the band: so many evaluations in a row outside on one side, the last of them after `step`."""

    step: int
    tokens: int
    side: Literal["above", "below"]
    loss: float
    expected: float
    low: float
    high: float
    stopped: bool

    def words(self, evaluations: int) -> str:
        in_a_row = f"{evaluations} evaluations in a row" if evaluations > 1 else "one evaluation"
        return (
            f"held-out loss {self.loss:.3f} after {self.tokens:,} tokens, {in_a_row} "
            f"{self.side} the band: {self.expected:.3f} expected ({self.low:.3f} to {self.high:.3f}); {REASONS[self.side]}"
        )


class Watch:
    """A hook that compares each evaluation with the band; to be called after the evaluation that it reads.

    What it says is a function of the scores so far: after a rollback it comes to the same. After a stop the same command goes on
    and is watched anew, from the evaluations after the stop.
    """

    def __init__(
        self,
        band: Band,
        config: WatchConfig,
        rows: Callable[[], Sequence[Mapping[str, Any]]],
        out: Path,
        tell: Callable[[str], None],
        stop: Callable[[str], None],
    ) -> None:
        """Watch the evaluations that `rows` gives.

        `tell` puts an event into the metrics of the step, `stop` asks the run to save itself and end.
        """
        self._band = band
        self._config = config
        self._rows = rows
        self._out = out
        self._tell = tell
        self._stop = stop
        self._left = _read_left(out / WATCH_FILE)

    def __call__(self, row: Row) -> str | None:
        """Judge the step's evaluation, if it had one."""
        known = [left for left in self._left if left.step < row["step"]]
        forgotten = len(known) < len(self._left)
        self._left = known
        rows = self._rows()
        if rows and rows[-1]["step"] == row["step"]:
            left = self._judge(rows)
            if left is not None:
                self._left.append(left)
                self._act(left, row)
            if left is not None or forgotten or row["last"]:
                self._write(rows)
        return self._words(rows)

    def side(self, row: Mapping[str, Any]) -> Side:
        """Return where the score lies; 'early' before the band begins."""
        bounds = self._band.facts.at(row["tokens"], self._config.interval)
        if bounds is None:
            return "early"
        return "above" if row["loss"] > bounds.high else "below" if row["loss"] < bounds.low else "inside"

    def _judge(self, rows: Sequence[Mapping[str, Any]]) -> Left | None:
        """Return that the run left the band if the newest score is the last of just as many outside as the recipe says."""
        since = max((left.step for left in self._left if left.stopped), default=0)
        sides = [self.side(row) for row in rows if row["step"] > since]
        side = sides[-1] if sides else "inside"
        if side not in ("above", "below"):
            return None
        in_a_row = next((count for count, other in enumerate(reversed(sides)) if other != side), len(sides))
        if in_a_row != self._config.evaluations:
            return None
        row = rows[-1]
        bounds = self._band.facts.at(row["tokens"], self._config.interval)
        assert bounds is not None, "it is not early"
        stops = side == "above" and self._config.action == "stop"
        return Left(row["step"], row["tokens"], side, row["loss"], bounds.loss, bounds.low, bounds.high, stops)

    def _act(self, left: Left, row: Row) -> None:
        words = left.words(self._config.evaluations)
        say(f"  step {left.step:,}: {words}", style="bold red" if left.stopped else "yellow")
        self._tell(f"{left.side} the band")
        if left.stopped and not row["last"]:
            self._stop(f"{words}; {self._out / PICTURE_FILE} shows it; stopped")

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        found = {
            "band": str(self._band.path),
            "content_hash": self._band.content_hash,
            "left": [asdict(left) for left in self._left],
        }
        write_json(self._out / WATCH_FILE, found)
        curve = [(int(row["tokens"]), float(row["loss"])) for row in rows]
        marks = [(left.tokens, left.loss) for left in self._left]
        _picture.write(self._out / PICTURE_FILE, self._band.facts, curve, marks)

    def _words(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        side = self.side(rows[-1]) if rows else "early"
        return None if side in ("inside", "early") else f"{side} the band"


def check_band(band: Band, mine: Mapping[str, Any], key: str) -> None:
    """Raise ConfigError if the band is of another run: `mine` has the fields of BandFacts that are compared.

    A run on other text with the same held-out text is told, not refused: what that does to the loss may be what one wants to see.
    """
    facts = band.facts
    for field, (what, way_out) in _COMPARED.items():
        theirs, ours = getattr(facts, field), mine[field]
        if theirs != ours and not (field == "tokens" and abs(theirs - ours) <= LENGTH_TOLERANCE * theirs):
            raise ConfigError(
                f"{key}: {band.path} is of another {what}: {_short(theirs)}, this run has {_short(ours)}; {way_out}, or leave "
                "pretrain.watch out"
            )
    if facts.shards != mine["shards"]:
        say("  the band is of runs on other training text: where the loss leaves it, the text may be why", style="yellow")


_AGAIN = "make a band for this recipe: 'groundup scaling band LADDER --recipe RECIPE --out BAND'"
_COMPARED: Final[dict[str, tuple[str, str]]] = {
    "tokenizer": ("tokenizer", "losses a token do not compare; run the ladder on this recipe's text"),
    "held_out": ("dataset", "losses on another held-out text do not compare; run the ladder on this recipe's text"),
    "params": ("model, by its parameters", _AGAIN),
    "tokens": ("length of run, in tokens", _AGAIN),
    "held_out_targets": ("choice of held-out text, by the tokens predicted", "set pretrain.evaluate.max_tokens as in the ladder"),
}
assert set(_COMPARED) < set(BandFacts.model_fields)


def _short(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)[:12]


def _read_left(path: Path) -> list[Left]:
    if not path.is_file():
        return []
    return [Left(**left) for left in read_object(path)["left"]]
