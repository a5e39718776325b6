"""Whether a ladder of small runs tells what a larger one will do, and stops it where it goes wrong.

    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/planning/ladder.py TEXT --out runs/planning-ladder

TEXT is a folder (or file) of text of 20 MB or more. What is finished is not done again: the same command goes on after a kill.

1. A ladder of runs, each of at most a tenth of the target's FLOPs (`groundup scaling sweep`), its band (`groundup scaling band`)
   and, beside it, the law that `groundup scaling fit` finds in the same runs.
2. Three bad runs of the target, watched with action 'stop': the learning rate 30 times the recipe's; the tokens of every document
   shuffled in the shards, so that nothing predicts the next one; and letters exchanged, as by a wrong code page.
3. The target itself, and nine more with other seeds (other first weights, another order of the text), watched in the same way;
   these nine are ended, by SIGTERM, after WATCHED of their steps, which is more than the quarter that a bad run may take.

Prints Markdown tables. Seeds and sizes are below; nothing is measured twice and the best taken.
"""

import argparse
import json
import os
import shutil
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from groundup import api, orders, pipeline
from groundup.artifacts.band import Band
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.errors import GroundupError, Stopped
from groundup.core.log import say
from groundup.ladder.attached import stop_with_input
from groundup.ladder.config import LadderConfig
from groundup.ladder.points import Point, read_points
from groundup.ladder.rungs import find_target
from groundup.recipe import Recipe
from groundup.train.hooks.evaluation import read_evaluations
from groundup.train.metrics import read_rows

TARGET = {"dim": 128, "num_layers": 2, "tokens": 10_000_000}
VOCAB_SIZE = 1024
BATCH_TOKENS = 1024
LADDER = LadderConfig(
    widths=(32, 40, 48, 56, 64, 72),
    tokens_per_param=(10.0, 20.0, 40.0, 80.0),
    min_tokens=1_300_000,
    max_share=0.1,
    evaluations=40,
    held_out_tokens=4096,
)
EVALUATIONS = 40
IN_A_ROW = 3
HEALTHY_SEEDS = range(1, 10)
WATCHED = 0.3
"""Share of its steps that a healthy run but the target takes."""
QUARTER = 0.25
HOT = 30.0
BAD = ("learning rate x30", "shuffled tokens", "exchanged letters")
ASKED = {"error": 0.03, "half_width": 0.04, "over_last_rung": 0.5, "share": 0.1}
SEPARATOR = "|---"
_LOOK_S = 0.5


@dataclass(frozen=True)
class Watched:
    """How a watched run went."""

    name: str
    steps_taken: int
    steps: int
    outcome: str
    """'finished', 'stopped by the watch', 'ended by SIGTERM' or an error."""
    loss: float | None
    """The last on held-out text."""

    @property
    def share(self) -> float:
        return self.steps_taken / self.steps

    @property
    def is_stopped(self) -> bool:
        return self.outcome == "stopped by the watch"


def recipe_of(text: Path, seed: int = 0, **pretrain: Any) -> Recipe:
    """Return the recipe of the target."""
    data = {
        "name": "target",
        "seed": seed,
        "device": "cpu",
        "budget": {"tokens": TARGET["tokens"]},
        "model": {"dim": TARGET["dim"], "num_layers": TARGET["num_layers"]},
        "curate": {"sources": [{"name": "text", "path": str(text.absolute())}], "rules": [], "validation": 0.03},
        "tokenizer": {"vocab_size": VOCAB_SIZE},
        "pretrain": {
            "seq_len": 128,
            "batch_tokens": BATCH_TOKENS,
            "attention": "matmul",
            "schedule": {"warmup_fraction": 0.1},
            "compile": "off",
            "preflight": "off",
            "keep_checkpoints": 1,
            **pretrain,
        },
    }
    return Recipe.parse(data, "target")


def watched_recipe(text: Path, out: Path, seed: int, rate: float | None = None) -> Recipe:
    """Return the recipe of a watched run."""
    steps = TARGET["tokens"] // BATCH_TOKENS
    return recipe_of(
        text,
        seed,
        evaluate={"every": steps // EVALUATIONS, "max_tokens": LADDER.held_out_tokens},
        watch={"band": str((out / "band").absolute()), "evaluations": IN_A_ROW, "action": "stop"},
        **({"optimizer": {"learning_rate": rate}} if rate is not None else {}),
    )


def train_one(text: Path, out: Path, name: str) -> None:
    """Train the named run on its text; the plan is made once, with the target."""
    seed = int(name.removeprefix("seed ")) if name.startswith("seed ") else 0
    recipe = watched_recipe(text, out, seed, HOT * rate_of_target(text, out) if name == BAD[0] else None)
    folder = folder_of(out, name)
    folders = {verb: out / "ladder" / "data" / verb for verb in ("curate", "tokenizer", "encode")}
    if name in BAD[1:]:
        folders["encode"] = spoilt_shards(out, name)
    folders |= {"plan": out / "plan", "pretrain": folder}
    orders.carry_out(
        pipeline.order_stage(pipeline.find_stage("plan"), recipe_of(text), {**folders, "encode": out / "ladder/data/encode"}), False
    )
    orders.carry_out(pipeline.order_stage(pipeline.find_stage("pretrain"), recipe, folders), False)


def rate_of_target(text: Path, out: Path) -> float:
    """Return the peak learning rate that the recipe's rule gives the target."""
    recipe = recipe_of(text)
    target = find_target(recipe, TokenShards.open(out / "ladder/data/encode").info.vocab_size)
    assert target is not None, "the recipe says its size"
    return recipe.pretrain.optimizer.peak(target.model)


def folder_of(out: Path, name: str) -> Path:
    return out / "runs" / name.replace(" ", "-") / "pretrain"


def spoilt_shards(out: Path, how: str) -> Path:
    """Return a copy of the shards whose training text was spoilt in its files, as a failing program or disk would: unnoticed."""
    source, target = out / "ladder/data/encode", out / "spoilt" / how.replace(" ", "-")
    if not target.exists():
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        shards = TokenShards.open(partial)
        text = Tokenizer.open(out / "ladder/data/tokenizer").text
        for part in shards.info.sources:
            file = partial / "train" / f"{part.name}.bin"
            stream = np.fromfile(file, np.dtype(shards.info.dtype).newbyteorder("<"))
            spoil = shuffled if how == BAD[1] else exchanged
            spoil(stream, shards.info.eos_id, text).tofile(file)
        partial.rename(target)
    return target


def shuffled(stream: Any, eos_id: int, _: Any) -> Any:
    """Return the stream with the tokens of each document in random order."""
    generator = np.random.default_rng(0)
    for start, end in documents(stream, eos_id):
        stream[start:end] = generator.permutation(stream[start:end])
    return stream


def exchanged(stream: Any, eos_id: int, text: Any) -> Any:
    """Return the stream with each letter of the text replaced by the one thirteen further, cut to the length that it had."""
    letters = string.ascii_lowercase
    table = str.maketrans(letters + letters.upper(), letters[13:] + letters[:13] + (letters[13:] + letters[:13]).upper())
    parts = [
        [*text.encode(text.decode(stream[start:end].tolist()).translate(table)), eos_id] for start, end in documents(stream, eos_id)
    ]
    ids = np.concatenate([np.asarray(part, stream.dtype) for part in parts])
    return np.resize(ids, len(stream))


def documents(stream: Any, eos_id: int) -> Iterator[tuple[int, int]]:
    """Yield where each document starts and ends, its end-of-document token left out."""
    start = 0
    for end in np.flatnonzero(stream == eos_id).tolist():
        yield start, end
        start = end + 1


def watch_run(text: Path, out: Path, name: str, until: float | None) -> Watched:
    """Train the named run in a process of its own, and end it after the share `until` of its steps; what was done stays done."""
    note = folder_of(out, name).parent / "watched.json"
    if note.is_file():
        return Watched(**json.loads(note.read_text()))
    folder = folder_of(out, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    steps = TARGET["tokens"] // BATCH_TOKENS
    command = [sys.executable, __file__, str(text), "--out", str(out), "--one", name]
    say(f"{name} ...", style="bold")
    with (folder.parent / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        ended = False
        while process.poll() is None:
            time.sleep(_LOOK_S)
            if until is not None and not ended and len(read_rows(folder / "metrics.jsonl")) >= until * steps:
                process.send_signal(signal.SIGTERM)
                ended = True
    found = _outcome(name, folder, process.returncode, ended)
    note.write_text(json.dumps(asdict(found)))
    say(f"  {name}: {found.outcome} after {found.share:.1%}, held-out loss {found.loss}")
    return found


def _outcome(name: str, folder: Path, code: int, ended: bool) -> Watched:
    """Return how the process of a run ended; a run that was stopped stands as it was then, whatever was done with it later."""
    steps = TARGET["tokens"] // BATCH_TOKENS
    scores = read_evaluations(folder / "evaluations.jsonl")
    left = [event for event in _left(folder) if event["stopped"]]
    if left:
        return Watched(name, left[0]["step"] + 1, steps, "stopped by the watch", left[0]["loss"])
    outcome = {0: "finished", Stopped.exit_code: "ended by SIGTERM"}.get(code)
    if outcome == "ended by SIGTERM" and not ended:
        raise SystemExit(f"{name} was stopped from outside; run the same command again")
    if outcome is None:
        last = (folder.parent / "log.txt").read_text().strip().splitlines()[-1]
        outcome = f"exit {code}: {last}"
        if not scores or "another groundup process" in last:
            raise SystemExit(f"{name}: {outcome}")
    return Watched(name, len(read_rows(folder / "metrics.jsonl")), steps, outcome, scores[-1]["loss"] if scores else None)


def _left(folder: Path) -> list[dict[str, Any]]:
    file = folder / "watch.json"
    return json.loads(file.read_text())["left"] if file.is_file() else []


def forecasts(out: Path, points: Sequence[Point], params: int, tokens: int) -> dict[str, tuple[float, float, float]]:
    """Return (loss, low, high of 95 %) of the target by each way: the band, and the law fitted to the finished runs."""
    last = Band.open(out / "band").facts.points[-1]
    found = {"end of the band": (last.loss, last.low_95, last.high_95)}
    try:
        fit = api.scaling_fit(out / "ladder" / "RUNS.csv")
        told = api.scaling_forecast(fit, params, tokens)
        low, high = told.interval_95 or (float("nan"), float("nan"))
        found["scaling fit (chinchilla)"] = (told.loss, low, high)
    except GroundupError as error:
        say(f"scaling fit gives no law of these {len(points)} runs: {error}", style="yellow")
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join([f"| {' | '.join(head)} |", SEPARATOR * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def ladder_table(points: Sequence[Point], flops: float) -> str:
    """Return the rungs."""
    rows = [
        [
            point.run_id,
            f"{point.params:,}",
            f"{point.tokens:,}",
            f"{point.flops / flops:.1%}",
            f"{point.loss:.4f}",
            f"{point.train_s:.0f} s",
        ]
        for point in points
    ]
    return table(("rung", "parameters", "tokens", "FLOPs over the target's", "held-out loss", "training"), rows)


def forecast_table(found: dict[str, tuple[float, float, float]], points: Sequence[Point], loss: float) -> str:
    """Return each forecast beside what the target came to."""
    last = max(points, key=lambda point: point.flops)
    naive = last.loss / loss - 1
    rows = [
        [
            name,
            f"{middle:.4f}",
            f"{middle / loss - 1:+.2%}",
            f"{low:.4f} to {high:.4f} ({low / middle - 1:+.1%}, {high / middle - 1:+.1%})",
            "yes" if low <= loss <= high else "no",
            f"{abs(middle / loss - 1) / abs(naive):.2f}",
        ]
        for name, (middle, low, high) in found.items()
    ]
    rows.append([f"loss of the last rung ({last.run_id})", f"{last.loss:.4f}", f"{naive:+.2%}", "", "", "1"])
    return table(
        (
            "forecast",
            "nats a token",
            f"error (the target came to {loss:.4f})",
            "95 % interval",
            "inside",
            "error over the last rung's",
        ),
        rows,
    )


def watched_table(runs: Sequence[Watched]) -> str:
    """Return how the watched runs went."""
    rows = [[run.name, run.outcome, f"{run.share:.1%}", "-" if run.loss is None else f"{run.loss:.3f}"] for run in runs]
    return table(("run", "outcome", "of its steps", "last held-out loss"), rows)


def main() -> None:
    """Train what is not trained yet, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/planning-ladder"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    text, out = given.text, given.out
    if given.one:
        threading.Thread(target=stop_with_input, daemon=True).start()
        _as_command(lambda: train_one(text, out, given.one))
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    out.mkdir(parents=True, exist_ok=True)
    recipe = recipe_of(text)
    (out / "target.yaml").write_text(yaml.safe_dump(recipe.resolved(), sort_keys=False))
    begun_s = time.monotonic()
    api.scaling_sweep(recipe, out / "ladder", LADDER)
    api.scaling_band(out / "ladder", out / "band", recipe)
    points = read_points(out / "ladder" / "RUNS.csv")
    target = find_target(recipe, TokenShards.open(out / "ladder/data/encode").info.vocab_size)
    assert target is not None, "the recipe says its size"
    bad = [watch_run(text, out, name, None) for name in BAD]
    whole = watch_run(text, out, "target", None)
    healthy = [whole, *(watch_run(text, out, f"seed {seed}", WATCHED) for seed in HEALTHY_SEEDS)]
    lines = [
        f"target: {target.params:,} parameters, {target.tokens:,} tokens, {target.flops:.3g} FLOPs; {len(points)} rungs",
        ladder_table(points, target.flops),
        forecast_table(forecasts(out, points, target.params, target.tokens), points, whole.loss or float("nan")),
        watched_table([*bad, *healthy]),
        f"stopped before a quarter: {sum(run.is_stopped and run.share < QUARTER for run in bad)} of {len(bad)} bad runs; "
        f"{sum(run.is_stopped for run in healthy)} of {len(healthy)} healthy ones stopped (asked: {len(bad)} and 0)",
        f"asked of the forecast: error under {ASKED['error']:.0%}, inside a 95 % interval of at most +-{ASKED['half_width']:.0%}, "
        f"less than {ASKED['over_last_rung']:g} of the last rung's error, no rung above {ASKED['share']:.0%} of the target's FLOPs",
    ]
    sys.stdout.write("\n\n".join(lines) + "\n")
    say(f"{(time.monotonic() - begun_s) / 60:.1f} minutes, what was there already not counted")


def _as_command(work: Any) -> None:
    try:
        work()
    except GroundupError as error:
        say(str(error))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
