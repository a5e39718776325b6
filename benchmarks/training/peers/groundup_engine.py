"""groundup's own step, built of the parts and settings that `groundup pretrain` uses."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
import pyarrow as pa
import torch
from cases import CASES, Case
from turns import Turns

from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.token_shards import SHARDS, ShardsInfo, ShardSource, TokenShards
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.encode.draw import marks_of
from groundup.encode.pieces import Encoded
from groundup.encode.streams import StreamWriter
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.train.batches import BatchReader, ReadAhead
from groundup.train.memory import kept_memory
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.lengths import row_lengths
from groundup.train.objectives.objective import Objective
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

OBJECTIVES = {
    "decoder": ObjectiveConfig(name="causal"),
    "encoder": ObjectiveConfig(name="masked"),
    "encoder_decoder": ObjectiveConfig(name="span_corruption", rate=0.3, mean_span_len=9),
}
SENTINELS = 100
MANY_STEPS = 1 << 30
DOCUMENTS, DOCUMENT_TOKENS = 400, 1000
SPLITS = ("train", "validation")


def model_config(case: Case) -> ModelConfig:
    """Return the model whose products are the peers': GPT-2's, BERT's and T5 1.1's, without biases."""
    common = {
        "vocab_size": case.vocab,
        "dim": case.dim,
        "num_layers": case.layers,
        "num_heads": case.heads,
        "num_kv_heads": case.heads,
        "ffn_dim": case.ffn_dim,
        "max_seq_len": case.length,
        "shape": case.shape,
    }
    if case.shape == "encoder_decoder":
        t5 = {"num_encoder_layers": case.layers, "position": "t5_bias", "norm": "rms", "feed_forward": "geglu_tanh"}
        return ModelConfig.model_validate({**common, **t5})
    return ModelConfig.model_validate({**common, "position": "learned", "norm": "layer_no_bias", "feed_forward": "gelu"})


def made_up_shards(out: Path, vocab: int) -> TokenShards:
    """Write documents of random tokens as the encode stage would."""

    def run(_: Config, job: Job) -> Outcome:
        generator = np.random.default_rng(0)
        dtype = "uint16" if vocab <= 1 << 16 else "uint32"
        writers = {split: StreamWriter(job.out / split, "made_up", dtype) for split in SPLITS}
        tokens = generator.integers(1, vocab - SENTINELS - 2, (DOCUMENTS, DOCUMENT_TOKENS + 1)).astype(dtype)
        tokens[:, -1] = 0
        lengths, places = np.full(DOCUMENTS, DOCUMENT_TOKENS + 1), np.arange(DOCUMENTS)
        ids = pa.array([f"d{number}" for number in places])
        writers["train"].add(Encoded(ids, marks_of([]), 4 * lengths, lengths, tokens.reshape(-1), places))
        for writer in writers.values():
            writer.close()
        counts = {what: {split: getattr(writers[split], what) for split in SPLITS} for what in ("tokens", "bytes", "documents")}
        source = ShardSource(name="made_up", weight=1.0, **counts)
        info = ShardsInfo(dtype=dtype, vocab_size=vocab, eos_id=0, tokenizer_hash="0" * 64, sources=(source,))
        write_json(job.out / SHARDS, info.model_dump(mode="json"))
        return Outcome()

    make(Order("encode", TokenShards.kind, out, Config(), 0, "cpu", {}), run, replace=True)
    return TokenShards.open(out)


def objective_of(case: Case) -> Objective:
    """Return what the shape learns, with its special tokens at the end of the vocabulary."""
    sentinels = tuple(range(case.vocab - SENTINELS, case.vocab))
    special = SpecialTokens(eos_id=0, pad_id=case.vocab - SENTINELS - 1, mask_id=case.vocab - SENTINELS - 2, sentinel_ids=sentinels)
    return build_objective(OBJECTIVES[case.shape], Vocabulary(case.vocab, special), case.length, case.shape)


def main() -> None:
    """Train until the driver says that it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--attention", choices=("matmul", "sdpa"), default="matmul")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--micro-batch", type=int)
    given = parser.parse_args()
    turns, case = Turns(), CASES[given.case]
    model = build_model(model_config(case), given.attention)
    model.init_weights(torch.Generator().manual_seed(0))
    objective = objective_of(case)
    assert row_lengths(objective).target_len == case.target_length, row_lengths(objective)
    with tempfile.TemporaryDirectory() as folder:
        shards = made_up_shards(Path(folder) / "encode", case.vocab)
        micro_batch = given.micro_batch or max(1, min(case.rows, 2048 // case.length))
        batches = BatchReader(shards, objective, seed=0, batch_sequences=case.rows, micro_batch=micro_batch, document_mask=True)
        optimizer = build_optimizer(model, OptimizerConfig())
        step = TrainStep(model, optimizer, given.precision, 1.0, torch.device("cpu"), compiled=not given.eager)
        with ReadAhead(batches, stop_step=MANY_STEPS) as reader, kept_memory():
            for number in range(MANY_STEPS):
                step(reader.read(number), 1e-4)
                turns.step_ended()


if __name__ == "__main__":
    main()
