"""Time the update of every optimizer beside forward and backward of the same model, interleaved.

    python benchmarks/optimizer_share.py [--rounds 7] [--dim 384] [--layers 6] [--rows 16]

Prints medians in milliseconds, the update's share of a step, and the bytes that the optimizer keeps for a parameter.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from groundup.estimate.optimizer import optimizer_bytes
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.plan.probe import made_up_batch
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import set_learning_rate
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.step import TrainStep

SEQ_LEN, VOCAB = 256, 8192
MICRO_BATCH = 8
CASES: dict[str, dict[str, object]] = {
    **{name: {"name": name} for name in OPTIMIZERS},
    "adamw, momentum in bf16": {"name": "adamw", "momentum_precision": "bf16"},
    "muon, momentum in bf16": {"name": "muon", "momentum_precision": "bf16"},
    "muon, 3 iterations": {"name": "muon", "newton_schulz_steps": 3},
}


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    dim = arguments.dim
    config = ModelConfig(
        vocab_size=VOCAB,
        dim=dim,
        num_layers=arguments.layers,
        num_heads=dim // 64,
        num_kv_heads=dim // 64,
        ffn_dim=-(-8 * dim // 3 // 32) * 32,
        max_seq_len=SEQ_LEN,
    )
    model = build_model(config, "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    workload = Workload(config, "bf16", "matmul", MICRO_BATCH, arguments.rows, RowLengths.causal(SEQ_LEN), document_mask=False)
    passes = _passes(model, workload)
    passes()
    updates = {name: _update(model, OptimizerConfig.parse(settings, name)) for name, settings in CASES.items()}
    times: dict[str, list[float]] = {name: [] for name in ("passes", *CASES)}
    for update in updates.values():
        update()
    for _ in range(arguments.rounds):
        times["passes"].append(_seconds(passes))
        for name, update in updates.items():
            times[name].append(_seconds(update))
    passes_s = statistics.median(times["passes"])
    params = total_parameters(config)
    print(f"{params:,} parameters, {arguments.rows * SEQ_LEN:,} tokens a step, {torch.get_num_threads()} thread(s), bf16")
    print(f"forward and backward: {passes_s * 1e3:,.0f} ms\n")
    print("| optimizer | update | of the step | state bytes a parameter |\n|---|---|---|---|")
    for name, settings in CASES.items():
        update_s = statistics.median(times[name])
        state = optimizer_bytes(config, OptimizerConfig.parse(settings, name)) / params
        print(f"| {name} | {update_s * 1e3:,.0f} ms | {update_s / (update_s + passes_s):.1%} | {state:.2f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--rows", type=int, default=16)
    return parser.parse_args()


def _passes(model: torch.nn.Module, workload: Workload) -> Callable[[], None]:
    step = TrainStep(model, torch.optim.SGD(model.parameters()), "bf16", None, torch.device("cpu"))  # type: ignore[arg-type]
    batch = made_up_batch(workload)

    def run() -> None:
        model.zero_grad(set_to_none=True)
        for _ in range(workload.num_micro_batches):
            torch.autograd.backward(step.loss(batch)[0])

    return run


def _update(model: torch.nn.Module, config: OptimizerConfig) -> Callable[[], None]:
    optimizer = build_optimizer(model, config)
    set_learning_rate(optimizer, 1e-6)
    return optimizer.step


def _seconds(work: Callable[[], None]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
