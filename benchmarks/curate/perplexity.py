"""Perplexity of several kinds of text under a model of books, and what measuring costs.

    python benchmarks/curate/perplexity.py BOOKS MEDQUAD [--order 5]

Every tenth book is held out as a whole; the model is learned from the others by the same call as the command's. All texts are
cut into pieces of 1,500 characters at white space, at most 2,000 of each kind, chosen by a seed.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from groundup import api, orders
from groundup.artifacts.documents import Document
from groundup.curate.config import SourceConfig
from groundup.curate.normalise import normalise
from groundup.curate.perplexity.stored import PerplexityScorer, open_scorer
from groundup.curate.perplexity.training.config import PerplexityModelConfig
from groundup.curate.sources import SOURCES

CHARS = 1500
MAX_TEXTS = 2000
BATCH = 256


def cut(text: str) -> Iterator[str]:
    """Yield pieces of about `CHARS` characters."""
    start = 0
    while start < len(text) - CHARS:
        end = text.rfind(" ", start, start + CHARS)
        end = end if end > start else start + CHARS
        yield text[start:end]
        start = end
    if text[start:].strip():
        yield text[start:]


def read(source: SourceConfig) -> Iterator[str]:
    """Yield the texts of a source."""
    for found in SOURCES[source.kind](source).documents():
        if isinstance(found, Document):
            yield normalise(found.text)


def chosen(texts: Iterable[str]) -> list[str]:
    """Return at most `MAX_TEXTS` pieces of the texts, the same ones each time."""
    pieces = [piece for text in texts for piece in cut(text) if len(piece) >= CHARS // 3]
    return random.Random(0).sample(pieces, min(MAX_TEXTS, len(pieces)))


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(0).shuffle(words)
    return " ".join(words)


def gibberish(number: int) -> str:
    chance = random.Random(number)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(230))


def measured(scorer: PerplexityScorer, texts: list[str]) -> tuple[list[float], float]:
    """Return the perplexities and the processor time a text, in milliseconds: the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        start_s = time.process_time()
        values = [value for at in range(0, len(texts), BATCH) for value in scorer.perplexities(texts[at : at + BATCH]).tolist()]
        best = min(best, time.process_time() - start_s)
    return values, 1000 * best / len(texts)


def learn(books: list[Path], folder: Path, settings: dict[str, int]) -> PerplexityScorer:
    """Return the model of the books, and tell what it took."""
    sides = {"reference": books, "calibrate": []}
    config = orders.examples_config(PerplexityModelConfig, "train-perplexity", sides, "markdown", "text", settings)
    start_s = time.process_time()
    made = api.train_perplexity(config, folder / "model")
    facts = made.facts
    size = sum(entry.bytes for entry in made.manifest.files.values())
    print(
        f"learned from {facts['tokens']:,} tokens in {time.process_time() - start_s:.1f} CPU s: {facts['ngrams']} n-grams, "
        f"{size / 1e6:.1f} MB; held out {facts['held_out']}"
    )
    return open_scorer(folder / "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path)
    parser.add_argument("medquad", type=Path)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--pieces", type=int, default=16_000)
    parser.add_argument("--min-count", type=int, default=2)
    given = parser.parse_args()
    books = sorted(given.books.glob("*.md"))
    held_out = books[::10]
    settings = {"order": given.order, "pieces": given.pieces, "min_count": given.min_count}
    with tempfile.TemporaryDirectory() as folder:
        scorer = learn([book for book in books if book not in held_out], Path(folder), settings)
        prose = chosen(normalise(book.read_text(encoding="utf-8")) for book in held_out)
        kinds = {
            "books, held out": prose,
            "medquad": chosen(read(SourceConfig(name="m", path=given.medquad, text_field="answer"))),
            "installed docs": chosen(read(SourceConfig(name="d", kind="installed-docs"))),
            "books, words shuffled": list(map(shuffled, prose)),
            "gibberish": [gibberish(number) for number in range(500)],
        }
        low, high = scorer.at(33.3), scorer.at(66.7)
        columns = ["text", "texts", "5 %", "median", "95 %", "head", "middle", "tail", "ms a text"]
        print(f"cuts {low:.1f} {high:.1f}\n| {' | '.join(columns)} |\n|{'|'.join('---' for _ in columns)}|")
        for name, texts in kinds.items():
            values, cost_ms = measured(scorer, texts)
            shares = np.histogram(values, [0, low, high, np.inf])[0] / len(values)
            quantiles = np.quantile(values, [0.05, 0.5, 0.95])
            cells = [name, f"{len(texts):,}", *(f"{value:,.0f}" for value in quantiles), *(f"{share:.1%}" for share in shares)]
            print(f"| {' | '.join(cells)} | {cost_ms:.3f} |")


if __name__ == "__main__":
    main()
