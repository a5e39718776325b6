"""nanoGPT's own train.py, from a checkout of commit 3adf61e154c3fe3fca428ad6bc3818b27a3b8291 that the user names.

It trains in float32 on a CPU whatever its settings say; with --bf16 the one line that decides this is replaced.
"""

import argparse
import os
import pickle
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np
from cases import BETAS, CASES, CLIP_NORM, LEARNING_RATE, WEIGHT_DECAY, Case
from turns import hook_every_optimizer

DECIDES_PRECISION = "ctx = nullcontext() if device_type == 'cpu' else torch.amp.autocast(device_type=device_type, dtype=ptdtype)"
BF16 = "ctx = torch.amp.autocast(device_type='cpu', dtype=torch.bfloat16)"
DECIDES_SEED = "torch.manual_seed(1337 + seed_offset)"


def size(case: Case) -> dict[str, int]:
    """Return the settings that say what is trained."""
    return {
        "batch_size": case.rows,
        "block_size": case.length,
        "n_layer": case.layers,
        "n_head": case.heads,
        "n_embd": case.dim,
    }


def run(checkout: Path, folder: Path, settings: Mapping[str, object], bf16: bool, seed: int | None = None) -> None:
    """Run train.py in `folder`, which holds its data, with its own settings but for these."""
    checkout = checkout.resolve()
    source = (checkout / "train.py").read_text()
    replaced = {}
    if bf16:
        replaced[DECIDES_PRECISION] = BF16
    if seed is not None:
        replaced[DECIDES_SEED] = f"torch.manual_seed({seed})"
    for line, other in replaced.items():
        assert line in source, "another version of nanoGPT"
        source = source.replace(line, other)
    (folder / "configurator.py").write_text((checkout / "configurator.py").read_text())
    fixed = {"device": "cpu", "dtype": "bfloat16" if bf16 else "float32", "compile": True, "gradient_accumulation_steps": 1}
    os.chdir(folder)
    sys.path.insert(0, str(checkout))
    sys.argv = ["train.py", *(f"--{name}={value}" for name, value in {**fixed, **settings}.items())]
    exec(compile(source, str(checkout / "train.py"), "exec"), {"__name__": "__main__"})


def main() -> None:
    """Train on random tokens, a step a turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    given = parser.parse_args()
    case = CASES[given.case]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data" / "made_up"
        data.mkdir(parents=True)
        tokens = np.random.default_rng(0).integers(0, case.vocab, 400_000).astype(np.uint16)
        for split in ("train", "val"):
            tokens.tofile(data / f"{split}.bin")
        (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": case.vocab}))
        settings = {
            "dataset": "made_up",
            "eval_iters": 1,
            "learning_rate": LEARNING_RATE,
            "beta1": BETAS[0],
            "beta2": BETAS[1],
            "weight_decay": WEIGHT_DECAY,
            "grad_clip": CLIP_NORM,
        }
        hook_every_optimizer()
        run(given.checkout, Path(folder), {**size(case), **settings}, given.bf16)


if __name__ == "__main__":
    main()
