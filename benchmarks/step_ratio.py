"""Training step of the default decoder against another checkout of groundup, in turn, in one run.

    python benchmarks/step_ratio.py OTHER_CHECKOUT [--rounds 5]

Prints the median of the ratios (other's time over ours: above 1, ours is faster) for each shape. Times are those of the processor
on one thread, which other work on the machine hardly changes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
SHAPES = {
    "2M bf16": {"dim": 192, "layers": 3, "heads": 6, "precision": "bf16", "kernel": "matmul"},
    "12M bf16": {"dim": 384, "layers": 6, "heads": 6, "precision": "bf16", "kernel": "matmul"},
    "12M fp32": {"dim": 384, "layers": 6, "heads": 6, "precision": "fp32", "kernel": "sdpa"},
}
STEP = """
import contextlib, json, sys, time
import torch
from groundup.nn.config import ModelConfig
from groundup.plan.probe import StepProbe
from groundup.train.config import TrainConfig
shape = json.loads(sys.argv[1])
torch.set_num_threads(1)
time.perf_counter = time.process_time
ffn_dim = round(shape["dim"] * 8 / 3 / 32) * 32
model = ModelConfig(vocab_size=4096, dim=shape["dim"], num_layers=shape["layers"], num_heads=shape["heads"],
                    num_kv_heads=shape["heads"], ffn_dim=ffn_dim, max_seq_len=256)
try:  # an older checkout says the length as a number
    from groundup.estimate.rows import RowLengths
    from groundup.estimate.workload import Workload
    rows = RowLengths.causal(256)
except ImportError:
    from groundup.estimate.memory import Workload
    rows = 256
try:  # as groundup's own runs train, where the checkout knows it
    from groundup.train.memory import kept_memory
except ImportError:
    kept_memory = contextlib.nullcontext
workload = Workload(model, shape["precision"], shape["kernel"], 8, 16, rows, True)
with kept_memory():
    print(StepProbe(TrainConfig(), torch.device("cpu")).step_seconds([workload], 8.0)[0])
"""


def step_seconds(checkout: Path, shape: dict[str, object]) -> float:
    """Return the time of a step with the code of the checkout, in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    words = [sys.executable, "-c", STEP, json.dumps(shape)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout)


def main() -> None:
    """Time both checkouts in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for name, shape in SHAPES.items():
        pairs = [(step_seconds(given.other, shape), step_seconds(HERE, shape)) for _ in range(given.rounds)]
        ratio = statistics.median(other / ours for other, ours in pairs)
        times = "  ".join(f"{other * 1e3:.0f}/{ours * 1e3:.0f}" for other, ours in pairs)
        sys.stdout.write(f"{name}: other / ours = {ratio:.3f}   [ms] {times}\n")


if __name__ == "__main__":
    main()
