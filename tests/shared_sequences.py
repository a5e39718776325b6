"""One rank of a context group: passes over its part of each sequence, beside the same passes over all of it.

torchrun --nproc-per-node 2 shared_sequences.py; rank 0 prints one JSON object a case.
"""

import copy
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.train.batch import Batch
from groundup.train.config import Recompute
from groundup.train.loss import IGNORE
from groundup.train.objectives.layout import PADDING
from groundup.train.parallel.context import ContextParallel
from groundup.train.parallel.world import joined, launched
from groundup.train.passes import SummedLoss

POSITIONS = ("none", "learned", "sinusoidal", "rope", "alibi", "t5_bias")
ROWS = (
    "causal",
    "causal packed",
    "prefix",
    "prefix packed",
    "encoder",
    "encoder packed",
    "encoder_decoder",
    "encoder_decoder packed",
)
VOCAB, LONGEST, BATCH = 32, 16, 2
LENGTH, SOURCE_LEN = 14, 11
"""Neither is a multiple of twice the ranks."""


def config(position: str, shape: str, **more: object) -> ModelConfig:
    sizes = {"vocab_size": VOCAB, "dim": 16, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 32}
    encoder = {"num_encoder_layers": 2} if shape == "encoder_decoder" else {}
    given = {"max_seq_len": LONGEST, "position": position, "shape": shape, **sizes, **encoder, **more}
    return ModelConfig.parse(given, "case")


def shape_of(rows: str) -> str:
    kind = rows.split(maxsplit=1)[0]
    return {"causal": "decoder", "prefix": "prefix_decoder"}.get(kind, kind)


def batch_of(rows: str, segments: bool = False) -> Batch:
    """Return two rows: whole ones, or of documents that end elsewhere in each, with padding behind in the second."""
    generator = torch.Generator().manual_seed(len(rows))
    tokens = torch.randint(VOCAB, (BATCH, LENGTH), generator=generator)
    targets = torch.randint(VOCAB, (BATCH, LENGTH), generator=generator)
    targets[1, 2:9] = IGNORE
    packed, kind = "packed" in rows, rows.split(maxsplit=1)[0]
    ids = torch.tensor([[0] * 5 + [1] * 9, [0] * 3 + [1] * 8 + [PADDING] * 3]) if packed else None
    targets[1, 11:] = IGNORE if packed else targets[1, 11:]
    prefix = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    prefix[0, :3] = prefix[1, 3:8] = True
    source = None
    if kind == "encoder_decoder":
        source_ids = torch.tensor([[0] * 4 + [1] * 6 + [PADDING], [0] * 6 + [1] * 3 + [PADDING] * 2]) if packed else None
        source = Inputs(torch.randint(VOCAB, (BATCH, SOURCE_LEN), generator=generator), source_ids)
    kinds = torch.randint(2, (BATCH, LENGTH), generator=generator) if segments else None
    return Batch(Inputs(tokens, ids, prefix if kind == "prefix" else None, kinds, source), targets)


def gradients(loss: SummedLoss, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    wanted, _ = loss(batch)
    wanted.backward()
    named = {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad for name, weight in loss.model.named_parameters()
    }
    loss.model.zero_grad(set_to_none=True)
    return wanted.detach(), named


def built(given: ModelConfig, kernel: Any) -> Transformer:
    model = build_model(given, kernel)
    model.init_weights(torch.Generator().manual_seed(1))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "position" in name:
                nn.init.normal_(weight, generator=torch.Generator().manual_seed(2))
    return model.double()


def compare(model: Transformer, batch: Batch, recompute: Recompute = "none") -> dict[str, float]:
    """Return the largest differences of loss and gradients, each divided by the largest number of its kind."""
    shared = copy.deepcopy(model)
    context = ContextParallel(dist.group.WORLD)
    context.arrange(shared)
    device = torch.device("cpu")
    expected, expected_gradients = gradients(SummedLoss(model, "fp32", device), batch)
    own = context.part(batch)
    with context.reading(own.inputs):
        found, found_gradients = gradients(SummedLoss(copy.deepcopy(shared), "fp32", device, recompute=recompute), own)
    for part in (found, *found_gradients.values()):
        dist.all_reduce(part)
    largest = max(float(each.abs().max()) for each in expected_gradients.values())
    off = max(float((found_gradients[name] - each).abs().max()) for name, each in expected_gradients.items())
    with torch.no_grad():
        outside = float((shared(batch.inputs) - model(batch.inputs)).abs().max())
    return {"loss": abs(float(found / expected) - 1), "gradient": off / largest, "outside": outside}


def changed_before(model: Transformer, batch: Batch, place: int) -> dict[str, float]:
    """Return by how much the vectors of places before and from `place` on move as the token there changes, on all ranks."""
    context = ContextParallel(dist.group.WORLD)
    context.arrange(model)
    other = batch.inputs.tokens.clone()
    other[:, place] = (other[:, place] + 1) % VOCAB
    parts = [context.part(Batch(Inputs(tokens), torch.arange(LENGTH).expand(BATCH, -1))) for tokens in (batch.inputs.tokens, other)]
    hidden = []
    for part in parts:
        with context.reading(part.inputs), torch.no_grad():
            hidden.append(model.hidden(part.inputs))
    moved = (hidden[0] - hidden[1]).abs().amax(dim=(0, 2))
    places = parts[0].targets[0]
    found = torch.stack([moved[(places != IGNORE) & (places < place)].sum(), moved[places >= place].sum()])
    dist.all_reduce(found)
    return {"before": float(found[0]), "after": float(found[1])}


def cases() -> Iterator[tuple[str, dict[str, float]]]:
    for position, rows in itertools.product(POSITIONS, ROWS):
        if position == "none" and shape_of(rows).startswith("encoder"):
            continue  # such a model cannot be: it would not know the order
        yield f"{position}, {rows}", compare(built(config(position, shape_of(rows)), "sdpa"), batch_of(rows))
    for rows in ROWS:
        yield f"matmul, {rows}", compare(built(config("rope", shape_of(rows)), "matmul"), batch_of(rows))
    capped = config("rope", "decoder", attention_soft_cap=5.0, qk_norm=True)
    yield "soft cap", compare(built(capped, "sdpa"), batch_of("causal packed"))
    yield "segments", compare(built(config("learned", "encoder", segments=2), "sdpa"), batch_of("encoder", segments=True))
    for recompute in ("selective", "full"):
        yield f"recompute {recompute}", compare(built(config("rope", "decoder"), "sdpa"), batch_of("causal"), recompute)
    for place in range(LENGTH):
        yield f"causality {place}", changed_before(built(config("rope", "decoder"), "sdpa"), batch_of("causal"), place)


def main() -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        for name, found in cases():
            if world.rank == 0:
                sys.stdout.write(json.dumps({"case": name, **found}) + "\n")


if __name__ == "__main__":
    main()
