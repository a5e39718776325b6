"""Hold our models against those of `transformers` with the same random weights, every family, and print a table of differences.

    python benchmarks/parity.py

Each is saved by `transformers`, read by groundup and compared in float32 on rows of odd length, without padding and with it on
either side. The models are those of the tests (tests/families.py).
"""

import importlib
import logging
import sys
import tempfile
from pathlib import Path

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
        largest = float(families.their_logits(family, theirs, families.batch_for(family, "none")).abs().max())
        print(f"| {name} | {' | '.join(f'{difference:.1e}' for difference in found)} | {largest:.1f} |")


if __name__ == "__main__":
    main()
