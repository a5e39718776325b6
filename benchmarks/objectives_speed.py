"""Time how fast each objective turns rows of tokens into batches, on one core.

    python benchmarks/objectives_speed.py [--seq-len 512] [--rows 64] [--document-len 400]

Rows are windows of a stream of documents of geometric lengths. The best of several rounds of processor time counts: what else runs
on the core takes none of it, and can only make a round slower.
"""

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are loaded

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from groundup.nn.config import ShapeName
from groundup.train.objectives.config import SHAPES_OF, ObjectiveConfig
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import FillTokens, SpecialTokens, Vocabulary

VOCAB_SIZE = 32_000
SENTINELS = 256
ROUNDS = 7
ROUND_TOKENS = 1_000_000


def vocabulary() -> Vocabulary:
    first = VOCAB_SIZE - SENTINELS - 8
    pad, mask, prefix, suffix, middle, r, s, x = range(first, first + 8)
    special = SpecialTokens(
        eos_id=0,
        pad_id=pad,
        mask_id=mask,
        sentinel_ids=tuple(range(first + 8, VOCAB_SIZE)),
        mode_ids={"R": r, "S": s, "X": x},
        fill=FillTokens(prefix, suffix, middle),
    )
    return Vocabulary(VOCAB_SIZE, special, np.arange(VOCAB_SIZE) % 4 != 0, (5, 6, 7))


def made_up_rows(num_rows: int, raw_len: int, document_len: int) -> Rows:
    generator = np.random.default_rng(0)
    tokens = generator.integers(1, VOCAB_SIZE - SENTINELS - 8, (num_rows, raw_len))
    tokens[generator.random(tokens.shape) < 1 / document_len] = 0
    return Rows(tokens, np.cumsum(tokens == 0, axis=1), generator.integers(2**64, size=num_rows, dtype=np.uint64))


def measure(config: ObjectiveConfig, shape: ShapeName, arguments: argparse.Namespace) -> tuple[int, float, float]:
    """Return raw tokens of a row, those of a second of processor time, and the share of the model's places that are not padding."""
    objective = build_objective(config, vocabulary(), arguments.seq_len, shape)
    rows = made_up_rows(arguments.rows, objective.raw_len, arguments.document_len)
    batch = objective(rows)
    read = [inputs for inputs in (batch.inputs, batch.inputs.source) if inputs is not None]
    places = sum(inputs.tokens.numel() for inputs in read)
    filled = sum(
        int((inputs.document_ids >= 0).sum()) if inputs.document_ids is not None else inputs.tokens.numel() for inputs in read
    )
    calls = max(ROUND_TOKENS // rows.tokens.size, 1)
    best_s = float("inf")
    for _ in range(ROUNDS):
        start_s = time.process_time()
        for _ in range(calls):
            objective(rows)
        best_s = min(best_s, time.process_time() - start_s)
    return objective.raw_len, calls * rows.tokens.size / best_s, filled / places


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seq-len", type=int, default=512, help="tokens that the model reads at a time")
    parser.add_argument("--rows", type=int, default=64, help="rows of a batch")
    parser.add_argument("--document-len", type=int, default=400, help="tokens of a document on average")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    configs = [(ObjectiveConfig(name=name), shape) for name, shapes in SHAPES_OF.items() for shape in shapes]
    configs += [(ObjectiveConfig(name="masked", unit=unit), "encoder") for unit in ("word", "span")]
    table = Table("objective", "shape", "tokens of text a row", "M tokens/s", "places filled")
    for config, shape in configs:
        raw_len, tokens_per_s, filled = measure(config, shape, arguments)
        name = config.name if config.unit == "token" else f"{config.name} ({config.unit})"
        table.add_row(name, shape, f"{raw_len:,}", f"{tokens_per_s / 1e6:.1f}", f"{filled:.0%}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
