"""Fine-tune checkpoints on the tasks of benchmarks/tasks that fit their shape, pretrained and from random weights.

    python benchmarks/downstream.py CHECKPOINT... --data FOLDER [--tasks NAME,...] [--json FILE] [--set tuning.epochs=3 ...]
    python benchmarks/downstream.py --texts FILE.jsonl --data FOLDER --tasks rt_polarity

The second form writes the texts that the task may learn from, without their labels and without what is held out, to pretrain on.

FOLDER holds rt_polarity/rt-polarity.pos and .neg (sentence polarity dataset v1.0), ud_ewt/en_ewt-ud-dev.conllu (UD English EWT)
and banking77/train.csv (BANKING77). Nothing is changed there: examples are written as JSON Lines into a temporary folder.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from groundup.api import evaluate_tasks
from groundup.artifacts.checkpoint import find_checkpoint
from groundup.core.seeds import derive_seed
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.examples import read_examples
from groundup.evaluate.tasks.load import load_task
from groundup.evaluate.tasks.split import read_parts
from groundup.recipe import apply_override

TASKS = Path(__file__).parent / "tasks"
TASKS_OF = {
    "encoder": ("rt_polarity", "banking77", "ud_ewt"),
    "encoder_decoder": ("ud_ewt_text", "rt_polarity_text"),
    "prefix_decoder": ("ud_ewt_text", "rt_polarity_text"),
    "decoder": ("ud_ewt_text", "rt_polarity_text"),
}
POLARITIES = {"pos": "positive", "neg": "negative"}
TAGS = {
    "ADJ": "adjective",
    "ADP": "preposition",
    "ADV": "adverb",
    "AUX": "auxiliary",
    "CCONJ": "conjunction",
    "DET": "determiner",
    "INTJ": "interjection",
    "NOUN": "noun",
    "NUM": "number",
    "PART": "particle",
    "PRON": "pronoun",
    "PROPN": "name",
    "PUNCT": "punctuation",
    "SCONJ": "subordinator",
    "SYM": "symbol",
    "VERB": "verb",
    "X": "other",
}
"""Parts of speech as words."""


def reviews(data: Path) -> Iterator[tuple[str, str]]:
    """Yield sentences with their polarity; the files are in Latin-1."""
    for ending, polarity in POLARITIES.items():
        for line in (data / f"rt_polarity/rt-polarity.{ending}").read_text(encoding="latin-1").splitlines():
            yield line.strip(), polarity


def tagged_words(data: Path) -> Iterator[dict[str, str]]:
    """Yield each sentence up to one of its words, chosen by a hash of it, and what the word is."""
    for example in read_examples(data / "ud_ewt/en_ewt-ud-dev.conllu", "token_classification"):
        text = "".join(example.read)
        chosen = derive_seed(0, "word", text) % len(example.read)
        yield {"source": "".join(example.read[: chosen + 1]), "target": f"\n{TAGS[example.wanted[chosen]]}"}


def questions(data: Path) -> Iterator[dict[str, str]]:
    """Yield what customers of a bank asked, and what they wanted to know, in words."""
    with (data / "banking77/train.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {"source": row["text"].strip(), "target": f"\n{row['category'].replace('_', ' ').lower()}"}


def prepare(data: Path, folder: Path) -> None:
    """Write or link into `folder` all files of examples that the tasks name."""
    found = list(reviews(data))
    labelled = [{"text": text, "label": polarity} for text, polarity in found]
    answered = [{"source": f"review: {text}\nsentiment:", "target": f" {polarity}"} for text, polarity in found]
    made: dict[str, list[dict[str, str]]] = {
        "rt_polarity": labelled,
        "rt_polarity_text": answered,
        "ud_ewt_text": list(tagged_words(data)),
        "banking77_text": list(questions(data)),
        "banking77": [{"text": row["source"], "label": row["target"].strip()} for row in questions(data)],
    }
    for name, rows in made.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    (folder / "ud_ewt").symlink_to((data / "ud_ewt").resolve())


def write_texts(task: TaskConfig, file: Path) -> None:
    """Write every text that is neither for validation nor for the test, without its label."""
    parts = read_parts(task.model_copy(update={"max_train_examples": None}))
    held_out = {"".join(example.read) for example in [*parts.validation, *parts.test]}
    texts = [text for example in parts.train if (text := "".join(example.read)) not in held_out]
    rows = (json.dumps({"id": f"text-{number}", "text": text}) for number, text in enumerate(texts))
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def changed(task: TaskConfig, overrides: list[str]) -> TaskConfig:
    """Return the task with `a.b=c` overrides."""
    settings = yaml.safe_load(yaml.safe_dump(task.resolved()))
    for override in overrides:
        apply_override(settings, override)
    return TaskConfig.parse(settings, "--set")


def shown(result: dict[str, Any]) -> str:
    """Return a mean with its interval, in per cent."""
    if result["interval_95"] is None:
        return f"{result['mean']:.1%}"
    low, high = result["interval_95"]
    return f"{result['mean']:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Fine-tune, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="*", metavar="CHECKPOINT")
    parser.add_argument("--texts", type=Path, help="write the texts of one task here, and fine-tune nothing")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", help="names of tasks, by default all that fit the shape")
    parser.add_argument("--json", type=Path, help="where all figures are written")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of every task")
    given = parser.parse_args()
    table = Table("checkpoint", "shape", "task", "most frequent", "from random weights", "pretrained", "gain")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        prepare(given.data, Path(folder))
        if given.texts:
            write_texts(load_task(TASKS / f"{given.tasks}.yaml", Path(folder)), given.texts)
            return
        for path in given.checkpoints:
            shape = str(find_checkpoint(path).model_config.get("shape", "decoder"))
            names = given.tasks.split(",") if given.tasks else TASKS_OF[shape]
            tasks = [changed(load_task(TASKS / f"{name}.yaml", Path(folder)), given.set) for name in names]
            figures[str(path)] = evaluate_tasks(path, tasks, scratch=True)
            for name, found in figures[str(path)].items():
                majority = f"{found['baseline_majority']:.1%}"
                table.add_row(path.name, shape, name, majority, shown(found["scratch"]), shown(found), shown(found["gain"]))
            if given.json:
                given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    Console(file=sys.stdout, width=200).print(table)


if __name__ == "__main__":
    main()
