"""How long a checkpoint holds the training loop: time spent in `save` and `wait_copied`, over the time of a step.

    python benchmarks/training/checkpoint_hold.py [--steps 30] [--every 5]

The model is a decoder of 6 layers, width 384 and 8,192 tokens (12.6 M parameters), 16 rows of 256 tokens a step. Also told: how
much longer the steps take beside which one is copied and written, since on a CPU the writing thread takes its share.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from groundup.artifacts.build import Order
from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TOKENIZER_FILES
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.checkpoint import CheckpointStore
from groundup.train.config import TrainConfig
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.keeping import Keeping
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.state import RunState
from groundup.train.step import TrainStep

MODEL = ModelConfig(vocab_size=8192, dim=384, num_layers=6, num_heads=6, num_kv_heads=6, ffn_dim=1024, max_seq_len=256)
ROWS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    args = parser.parse_args()

    device = torch.device("cpu")
    model = build_model(MODEL)
    model.init_weights(torch.Generator().manual_seed(0))
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), args.precision, 1.0, device)
    tokens = torch.randint(MODEL.vocab_size, (ROWS, MODEL.max_seq_len + 1), generator=torch.Generator().manual_seed(0))
    batch = Batch(Inputs(tokens[:, :-1].contiguous()), tokens[:, 1:].contiguous())
    run = RunState(model, step.optimizer, Healing(HealingConfig()))

    plain: list[float] = []
    beside: list[float] = []
    holds: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in TOKENIZER_FILES:
            (folder / file).write_text("{}")
        order = Order("pretrain", Checkpoint.kind, folder, TrainConfig(), 0)
        store = CheckpointStore(folder / "checkpoints", order, MODEL, folder, Keeping(args.every, keep=2))
        with store.opened():
            for number in range(args.steps):
                start_s = time.perf_counter()
                result = step.gradient([batch])
                copied_s = time.perf_counter()
                store.wait_copied()
                held_s = time.perf_counter() - copied_s
                step.update(1e-4)
                run.take(result, batch.targets.numel())
                steps = beside if number and number % args.every == 0 else plain
                steps.append(time.perf_counter() - start_s - held_s)
                if steps is beside:
                    holds[-1] += held_s
                if store.due(run.step):
                    save_s = time.perf_counter()
                    store.save(run, before=lambda: None)
                    holds.append(time.perf_counter() - save_s)
        files = sum(file.stat().st_size for file in next((folder / "checkpoints").iterdir()).iterdir())
    usual_s, hold_s = statistics.median(plain[2:]), statistics.median(holds[1:-1])
    print(
        f"a step {usual_s * 1e3:.1f} ms; beside a checkpoint of {files / 1e6:.0f} MB {statistics.median(beside[1:]) * 1e3:.1f} ms"
    )
    print(f"the loop is held for {hold_s * 1e3:.2f} ms: {hold_s / usual_s:.2%} of a step (worst {max(holds[1:-1]) * 1e3:.2f} ms)")


if __name__ == "__main__":
    main()
