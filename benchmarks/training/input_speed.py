"""Time the way from encoded tokens on disk to the batches that a step learns from, on one core.

    python benchmarks/training/input_speed.py [--tokens 20000000]

Shards of documents of geometric lengths are written to a temporary folder; every step is read as training reads it: order of the
data, rows out of the files, documents, the causal objective, tensors. CPU seconds of the one thread are counted, so that what
else runs on the machine is not; of several rounds the best.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are loaded

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.token_shards import INDEX_SCHEMA, SHARDS, ShardsInfo, ShardSource, TokenShards
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.train.batches import BatchReader
from groundup.train.objectives.causal import Causal
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary

VOCAB_SIZE = 32_000
DOCUMENT_TOKENS = 400
ROUNDS = 5
ROUND_TOKENS = 4_000_000
MICRO_BATCH_TOKENS = 2048


def write_shards(folder: Path, tokens: int, sources: int) -> TokenShards:
    """Write shards of made-up tokens: a document ends with token 0, which occurs nowhere else."""
    random = np.random.default_rng(0)

    def write(_config: Config, job: Job) -> Outcome:
        infos = []
        for number in range(sources):
            stream = random.integers(1, VOCAB_SIZE, tokens // sources, dtype=np.uint16)
            ends = np.cumsum(random.geometric(1 / DOCUMENT_TOKENS, len(stream) // DOCUMENT_TOKENS)) + 1
            ends = np.append(ends[ends < len(stream)], len(stream))
            stream[ends - 1] = 0
            starts = np.append(0, ends[:-1])
            index = {
                "id": [str(i) for i in range(len(ends))],
                "start": starts,
                "tokens": ends - starts,
                "bytes": 4 * (ends - starts),
            }
            for split in ("train", "validation"):
                (job.out / split).mkdir(exist_ok=True)
                (stream if split == "train" else stream[:0]).tofile(job.out / split / f"s{number}.bin")
                pq.write_table(pa.table(index, INDEX_SCHEMA), job.out / split / f"s{number}.index.parquet")
            count = {"train": len(stream), "validation": 0}
            infos.append(ShardSource(name=f"s{number}", weight=1.0, tokens=count, bytes=count, documents=count))
        info = ShardsInfo(dtype="uint16", vocab_size=VOCAB_SIZE, eos_id=0, tokenizer_hash="0" * 64, sources=tuple(infos))
        write_json(job.out / SHARDS, info.model_dump(mode="json"))
        return Outcome()

    make(Order("encode", TokenShards.kind, folder, Config(), 0), write, replace=True)
    return TokenShards.open(folder)


def tokens_per_s(shards: TokenShards, seq_len: int, batch_tokens: int) -> float:
    """Return the tokens per CPU second of reading steps one after the other; the best round."""
    objective = Causal(ObjectiveConfig(), Vocabulary(VOCAB_SIZE, SpecialTokens(0), np.ones(VOCAB_SIZE, dtype=np.bool_)), seq_len)
    batches = BatchReader(
        shards,
        objective,
        seed=0,
        batch_sequences=batch_tokens // seq_len,
        micro_batch=MICRO_BATCH_TOKENS // seq_len,
        document_mask=True,
    )
    steps = ROUND_TOKENS // batch_tokens
    rounds_s = []
    for number in range(ROUNDS):
        start_s = time.process_time()
        for step in range(number * steps, (number + 1) * steps):
            batches.read(step)
        rounds_s.append(time.process_time() - start_s)
    return steps * batch_tokens / min(rounds_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="tokens of the shards")
    arguments = parser.parse_args()
    table = Table("sources", "row tokens", "tokens a step", "million tokens / CPU s")
    with tempfile.TemporaryDirectory() as folder:
        for sources in (1, 4):
            shards = write_shards(Path(folder) / str(sources), arguments.tokens, sources)
            for seq_len in (128, 256, 1024):
                for batch_tokens in (8192, 65_536, 524_288):
                    speed = tokens_per_s(shards, seq_len, batch_tokens)
                    table.add_row(str(sources), str(seq_len), f"{batch_tokens:,}", f"{speed / 1e6:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
