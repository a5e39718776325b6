"""Hold the plan's predictions of memory and step time against real training steps, each configuration in a fresh process.

    python benchmarks/plan_accuracy.py [--only CONFIGURATION ...]

Memory is compared as growth over the process before the model is made, time as the median optimizer step.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch
from rich.console import Console
from rich.table import Table

from groundup.artifacts.plan import Decisions
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.threads import threads
from groundup.nn.transformer import build_model
from groundup.plan.config import BudgetConfig, PlanConfig, SizeConfig
from groundup.plan.derive import derive
from groundup.plan.machine import measure_machine
from groundup.plan.probe import StepProbe, made_up_batch
from groundup.plan.shapes import family
from groundup.plan.situation import Situation
from groundup.train.config import TrainConfig
from groundup.train.libraries import load_libraries, settled_bytes
from groundup.train.memory import PeakMemory, kept_memory
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

CONFIGURATIONS: dict[str, dict[str, object]] = {
    "1M fp32 8x256": {"dim": 128, "num_layers": 4, "precision": "fp32", "micro_batch": 8},
    "2M bf16 8x256": {"dim": 192, "num_layers": 3, "precision": "bf16", "micro_batch": 8},
    "4M bf16 4x256": {"dim": 256, "num_layers": 4, "precision": "bf16", "micro_batch": 4},
    "4M fp32 16x256": {"dim": 256, "num_layers": 4, "precision": "fp32", "micro_batch": 16},
    "7M bf16 16x256": {"dim": 320, "num_layers": 5, "precision": "bf16", "micro_batch": 16},
    "12M bf16 8x256": {"dim": 384, "num_layers": 6, "precision": "bf16", "micro_batch": 8},
    "15M fp32 4x256": {"dim": 384, "num_layers": 8, "precision": "fp32", "micro_batch": 4},
    "12M bf16 8x256 selective": {"dim": 384, "num_layers": 6, "precision": "bf16", "micro_batch": 8, "recompute": "selective"},
    "12M bf16 8x256 full": {"dim": 384, "num_layers": 6, "precision": "bf16", "micro_batch": 8, "recompute": "full"},
    "15M fp32 4x256 full": {"dim": 384, "num_layers": 8, "precision": "fp32", "micro_batch": 4, "recompute": "full"},
}
VOCAB_SIZE = 4096
STEPS = 12


def measure(name: str) -> dict[str, float]:
    """Plan one configuration, then train it for a few steps; return prediction and measurement."""
    setting = dict(CONFIGURATIONS[name])
    size = SizeConfig(dim=setting.pop("dim"), num_layers=setting.pop("num_layers"))
    train = TrainConfig.model_validate({"batch_tokens": 4096, **setting})
    config = PlanConfig(budget=BudgetConfig(minutes=10), model=size, pretrain=train, device="cpu")
    device = torch.device("cpu")
    machine = measure_machine(device)
    probe = StepProbe(train, device)
    load_libraries(train.optimizer, device)
    process_bytes = settled_bytes(device)
    situation = Situation(VOCAB_SIZE, 2_000_000, machine, "cpu", RowLengths.causal(train.seq_len), process_bytes)
    start_s = time.perf_counter()
    with threads(machine.num_threads), kept_memory():
        decisions, forecast = derive(config, situation, probe)
        plan_s = time.perf_counter() - start_s
        memory = PeakMemory(device)
        times_s = _train(config, decisions)
    return {
        "params": forecast.params,
        "process": process_bytes,
        "start": memory.start_bytes,
        "predicted_total": forecast.memory_bytes["total"] - forecast.memory_bytes["snapshot"],  # no checkpoint is made here
        "measured_total": memory.bytes(),
        "predicted_step_s": forecast.step_s,
        "measured_step_s": statistics.median(times_s[2:]),
        "plan_s": plan_s,
        "attention_is_matmul": float(decisions.attention == "matmul"),
    }


def _train(config: PlanConfig, decided: Decisions) -> list[float]:
    train = config.pretrain
    (model_config,) = family(config.model, VOCAB_SIZE, train.seq_len)
    rows = RowLengths.causal(train.seq_len)
    workload = Workload(
        model_config, decided.precision, decided.attention, decided.micro_batch, train.batch_sequences, rows, document_mask=True
    )
    model = build_model(model_config, decided.attention)
    model.init_weights(torch.Generator().manual_seed(0))
    step = TrainStep(
        model,
        build_optimizer(model, train.optimizer),
        decided.precision,
        train.clip_norm,
        torch.device("cpu"),
        recompute=decided.recompute,
    )
    times_s = []
    for _ in range(STEPS):
        start_s = time.perf_counter()
        step([made_up_batch(workload) for _ in range(workload.num_micro_batches)], 1e-3)
        times_s.append(time.perf_counter() - start_s)
    return times_s


def main() -> None:
    """Run every configuration in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", choices=CONFIGURATIONS, help="measure this configuration here, and print JSON")
    parser.add_argument("--only", nargs="*", choices=CONFIGURATIONS, default=list(CONFIGURATIONS), help="leave out the others")
    arguments = parser.parse_args()
    chosen = arguments.one
    if chosen:
        print(json.dumps(measure(chosen)))
        return
    table = Table(
        "configuration",
        "params",
        "attention",
        "memory growth",
        "predicted",
        "error",
        "total error",
        "step",
        "predicted",
        "error",
        "plan took",
    )
    for name in arguments.only:
        row = json.loads(
            subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True, check=True).stdout
        )
        growth, predicted = row["measured_total"] - row["process"], row["predicted_total"] - row["process"]
        table.add_row(
            name,
            f"{row['params'] / 1e6:.1f}M",
            "matmul" if row["attention_is_matmul"] else "sdpa",
            f"{growth / 1e6:.0f} MB",
            f"{predicted / 1e6:.0f} MB",
            f"{predicted / growth - 1:+.1%}",
            f"{row['predicted_total'] / row['measured_total'] - 1:+.1%}",
            f"{row['measured_step_s'] * 1e3:.0f} ms",
            f"{row['predicted_step_s'] * 1e3:.0f} ms",
            f"{row['predicted_step_s'] / row['measured_step_s'] - 1:+.1%}",
            f"{row['plan_s']:.0f} s",
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
