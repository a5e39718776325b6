"""Train the shipped recipe of every objective on one text, and compare held-out losses with a unigram model's on the same targets.

    python benchmarks/recipes.py TEXT [--out runs/recipes] [--only NAME ...]

TEXT is a file or folder of text; nothing else of the recipes is changed. What is trained already is not trained again.
Prints a Markdown table: parameters, text seen [tokens], nats a target of the model and of the unigram model, what the first is
below the second, and the share of targets that each has right.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from groundup import api
from groundup.artifacts.plan import Plan
from groundup.recipe import SHIPPED, load_recipe

NAMES = ("encoder_mlm", "t5_span", "ul2_mixture", "bart_denoise", "prefix_lm", "decoder_clm")

COLUMNS = ("recipe", "parameters", "text seen", "nats a target", "unigram", "below", "right", "unigram right")


def train(name: str, text: Path, out: Path) -> api.LineRun:
    """Run the line of the recipe on the text, up to its evaluation."""
    source = f"[{{name: {text.stem.lower()}, path: {text.absolute()}}}]"
    return api.run(load_recipe(SHIPPED / f"{name}.yaml", [f"curate.sources={source}"]), out / name, until="evaluate")


def scores(result: dict[str, Any]) -> tuple[float, float, str, str]:
    """Return nats a target of model and unigram, and the shares that they have right."""
    if "objective" in result:
        found = result["objective"]
        unigram = found["unigram"]
        shares = (f"{found['accuracy']:.1%}", f"{unigram['accuracy']:.1%}")
        return found["nll_per_target"], unigram["nll_per_target"], *shares
    bits = result["baselines"]["unigram"] * result["bytes"]
    return result["nll_per_token"], bits * math.log(2) / result["tokens"], "-", "-"


def row(name: str, run: api.LineRun) -> str:
    """Return the recipe's line of the table."""
    forecast = Plan.open(run.path / "plan").forecast
    ours, unigram, right, unigram_right = scores(run.evaluation.result)
    cells = [f"`{name}`", f"{forecast.params / 1e6:.2f} M", f"{forecast.tokens / 1e6:.2f} M", f"{ours:.3f}", f"{unigram:.3f}"]
    return "| " + " | ".join([*cells, f"{1 - ours / unigram:.1%}", right, unigram_right]) + " |"


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    given = parser.parse_args()
    rows = [row(name, train(name, given.text, given.out)) for name in given.only]
    sys.stdout.write("\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *rows]) + "\n")


if __name__ == "__main__":
    main()
