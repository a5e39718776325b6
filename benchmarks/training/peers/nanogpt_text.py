"""nanoGPT's own train.py on a text, up to a number of iterations.

FOLDER holds data/text/{train,val}.bin and meta.pkl; ckpt.pt comes to FOLDER/out. Settings are those of nanoGPT's small
configuration (config/train_shakespeare_char.py: 100 iterations of warm-up, beta2 0.99, the floor a tenth of the peak), without
dropout, as no token is seen twice.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from cases import CASES
from nanogpt import run, size


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--iterations", type=int, required=True)
    given = parser.parse_args()
    settings = {
        "dataset": "text",
        "eval_interval": given.iterations,
        "eval_iters": 1,
        "always_save_checkpoint": True,
        "log_interval": 10,
        "learning_rate": given.learning_rate,
        "min_lr": given.learning_rate / 10,
        "max_iters": given.iterations,
        "lr_decay_iters": given.iterations,
        "warmup_iters": min(100, given.iterations // 2),
        "beta2": 0.99,
    }
    run(given.checkout, given.folder.resolve(), {**size(CASES[given.case]), **settings}, given.bf16, given.seed)


if __name__ == "__main__":
    main()
