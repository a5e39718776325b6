"""One rank of those that share matrices: a model's loss and gradients on its part, beside those of the whole model.

torchrun --nproc-per-node 2 shared_matrices.py; rank 0 prints one JSON object a case.
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
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from groundup.nn.attention import ATTENTION
from groundup.nn.config import ModelConfig
from groundup.nn.feedforward import FEED_FORWARD
from groundup.nn.norms import NORMS
from groundup.nn.positions import POSITIONS
from groundup.nn.residual import RESIDUALS
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.train.batch import Batch
from groundup.train.config import Recompute, RunPrecision
from groundup.train.loss import IGNORE
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.parallel.team import Team
from groundup.train.parallel.tensor.exchange import Peers
from groundup.train.parallel.tensor.loss import vocabulary_cross_entropy
from groundup.train.parallel.tensor.share import share_out
from groundup.train.parallel.world import joined, launched
from groundup.train.passes import SummedLoss
from groundup.train.ranks import ALONE, Ranks
from groundup.train.step import TrainStep
from shared_sequences import ROWS, batch_of, shape_of

VOCAB = 33
"""Odd: the first rank has a row more than the second."""
KINDS: dict[str, dict[str, object]] = {
    "full": {},
    "sliding_window": {"window": 3},
    "sparse_strided": {"sparse_block": 3},
    "sparse_fixed": {"sparse_block": 3, "sparse_summary": 1},
    "big_bird": {"sparse_block": 2, "sparse_global": 1, "sparse_random": 1},
    "performer": {},
}
HEADS: dict[str, dict[str, object]] = {
    "tied": {},
    "own matrix": {"tie_embeddings": False},
    "bias": {"head_bias": True},
    "transform": {"head_transform": True, "head_bias": True, "tie_embeddings": False},
    "scaled": {"head_scale": True, "embedding_scale": True},
    "soft cap": {"logit_soft_cap": 2.0, "head_bias": True},
}
OTHERS: dict[str, tuple[str, dict[str, object]]] = {
    "embedding norm": ("causal", {"embedding_norm": True, "position": "learned"}),
    "segments": ("encoder", {"segments": 2, "position": "learned"}),
    "norms of heads": ("causal", {"qk_norm": True}),
    "heads as many as ranks": ("causal", {"num_heads": 2, "num_kv_heads": 2, "head_dim": 6}),
    "half of a head turns": ("causal", {"rope_fraction": 0.5}),
    "soft cap of scores": ("causal", {"attention_soft_cap": 3.0}),
    "transformer_xl": ("causal packed", {"position": "transformer_xl", "num_kv_heads": 4}),
    "transformer_xl, encoder": ("encoder packed", {"position": "transformer_xl", "qk_norm": True}),
}


def config(rows: str, **more: object) -> ModelConfig:
    sizes = {"vocab_size": VOCAB, "dim": 16, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 32, "max_seq_len": 16}
    encoder = {"num_encoder_layers": 2} if rows.startswith("encoder_decoder") else {}
    return ModelConfig.parse({**sizes, **encoder, "shape": shape_of(rows), **more}, "case")


def built(given: ModelConfig, kernel: Any = "sdpa") -> Transformer:
    """Return a model none of whose parameters is zero or one, in float64 where its attention can be."""
    model = build_model(given, kernel)
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        nn.init.normal_(weight, mean=0.1, std=0.2, generator=generator)
    return model if given.attention == "performer" else model.double()


def shortened(batch: Batch) -> Batch:
    """Return the batch without its last tokens: an odd number of them."""
    given = batch.inputs
    cut = {
        name: getattr(given, name)[:, :-1]
        for name in ("tokens", "document_ids", "prefix", "segments")
        if getattr(given, name) is not None
    }
    return Batch(Inputs(**cut, source=given.source), batch.targets[:, :-1])


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def passed(
    model: Transformer, batch: Batch, mesh: DeviceMesh | None, recompute: Recompute = "none"
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Return the loss, its gradients and the logits of all tokens, of a whole model or of one that is shared out here."""
    loss = SummedLoss(model, "fp32", torch.device("cpu"), z_weight=0.1, recompute=recompute)
    if mesh is not None:
        share_out(model, mesh)
        loss.cross_entropy = vocabulary_cross_entropy(Peers(mesh), model.config.vocab_size)
    wanted, _ = loss(batch)
    wanted.backward()
    named = {name: whole(weight.grad) for name, weight in model.named_parameters() if weight.grad is not None}
    with torch.no_grad():
        return wanted.detach(), named, model(batch.inputs)


def compare(
    mesh: DeviceMesh, given: ModelConfig, batch: Batch, kernel: Any = "sdpa", recompute: Recompute = "none"
) -> dict[str, float]:
    """Return, on the first rank, how far loss, gradients and logits are off, each divided by the largest number of its kind."""
    model = built(given, kernel)
    found, found_gradients, found_logits = passed(copy.deepcopy(model), batch, mesh, recompute)
    if dist.get_rank() > 0:
        return {}
    expected, gradients, logits = passed(model, batch, None)
    assert found_gradients.keys() == gradients.keys()
    largest = max(float(each.abs().max()) for each in gradients.values())
    off = max(float((found_gradients[name] - each).abs().max()) for name, each in gradients.items())
    return {
        "loss": abs(float(found / expected) - 1),
        "gradient": off / largest,
        "logits": float((found_logits - logits).abs().max() / logits.abs().max()),
    }


def architectures() -> Iterator[tuple[str, str, ModelConfig]]:
    """Yield name, rows and model: every row of the tables of `nn`."""
    for position, rows in itertools.product(POSITIONS, ROWS):
        if position != "transformer_xl" and not (position == "none" and rows.startswith("encoder")):
            yield f"position {position}, {rows}", rows, config(rows, position=position)
    for residual, rows in itertools.product(RESIDUALS, ("causal", "encoder_decoder packed")):
        yield (
            f"residual {residual}, {rows}",
            rows,
            config(rows, residual=residual, bias=True, init="deepnorm" if residual == "deepnorm" else "gpt2"),
        )
    for kind, rows in itertools.product(ATTENTION, ("causal", "encoder packed")):
        yield f"attention {kind}, {rows}", rows, config(rows, attention=kind, **KINDS[kind])
    for norm in NORMS:
        yield f"norm {norm}", "causal", config("causal", norm=norm)
    for layer in FEED_FORWARD:
        yield f"feed-forward {layer}", "causal", config("causal", feed_forward=layer, bias=True)
    for head, settings in HEADS.items():
        yield f"head {head}", "causal", config("causal", **settings)
    for name, (rows, settings) in OTHERS.items():
        yield name, rows, config(rows, **settings)


def steps(
    given: ModelConfig, optimizer: OptimizerConfig, precision: RunPrecision, ranks: Ranks, layout: Layout
) -> dict[str, Tensor]:
    """Return the weights after a few steps."""
    model = built(given).float()
    if isinstance(ranks, Team):
        ranks.arrange(model)
    step = TrainStep(
        model, build_optimizer(model, optimizer), precision, 1.0, torch.device("cpu"), recompute=layout.recompute, ranks=ranks
    )
    for _ in range(3):
        step([batch_of("causal packed")], 1e-2)
    return {name: whole(weight.detach()) for name, weight in model.named_parameters()}


def trained(name: str, precision: RunPrecision = "fp32") -> dict[str, float]:
    """Return, on the first rank, by how much weights differ after steps with an optimizer, relative to how far they moved."""
    exactly = {"newton_schulz_precision": "fp32"} if name == "muon" else {}
    given, optimizer, layout = config("causal"), OptimizerConfig.parse({"name": name, **exactly}, "case"), Layout(tp=2)
    found = steps(given, optimizer, precision, Team.of(layout, precision), layout)
    if dist.get_rank() > 0:
        return {}
    expected = steps(given, optimizer, precision, ALONE, layout)
    before = {key: weight.detach() for key, weight in built(given).float().named_parameters()}
    off = sum(float((found[key] - each).square().sum()) for key, each in expected.items())
    moved = sum(float((before[key] - each).square().sum()) for key, each in expected.items())
    return {"moved": (off / moved) ** 0.5}


def dropped(mesh: DeviceMesh) -> dict[str, float]:
    """Return how alike the ranks' random numbers are: the share of heads and tokens that all ranks dropped alike."""
    torch.manual_seed(dist.get_rank())
    model = built(config("causal", dropout=0.5))
    share_out(model, mesh)
    stream: list[Tensor] = []
    model.decoder.dropout.register_forward_hook(lambda *call: stream.append(call[-1].detach() == 0))
    model.hidden(batch_of("causal").inputs)
    parts = [torch.empty_like(stream[0]) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, stream[0].contiguous())
    return {"alike": float((parts[0] == parts[1]).double().mean()), "dropped": float(parts[0].double().mean())}


def cases(mesh: DeviceMesh) -> Iterator[tuple[str, dict[str, float]]]:
    for name, rows, given in architectures():
        yield name, compare(mesh, given, batch_of(rows, segments=bool(given.segments)))
    for rows in ROWS:
        yield f"matmul, {rows}", compare(mesh, config(rows), batch_of(rows), "matmul")
        yield f"odd length, {rows}", compare(mesh, config(rows), shortened(batch_of(rows)))
    for recompute in ("selective", "full"):
        yield f"recompute {recompute}", compare(mesh, config("causal"), batch_of("causal"), recompute=recompute)
    few = batch_of("causal packed")
    few.targets[:, 2:] = IGNORE
    yield "few targets", compare(mesh, config("causal"), few)
    for optimizer in OPTIMIZERS:
        yield f"optimizer {optimizer}", trained(optimizer)
    for precision in ("bf16", "bf16_weights", "fp16"):
        yield f"precision {precision}", trained("adamw", precision)
    yield "dropout", dropped(mesh)


def main() -> None:
    torch.set_num_threads(1)
    world = launched()
    assert world is not None, "started by torchrun"
    with joined(world):
        mesh = init_device_mesh("cpu", (world.size,))
        for name, row in cases(mesh):
            if world.rank == 0:
                sys.stdout.write(json.dumps({"case": name, **row}) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
