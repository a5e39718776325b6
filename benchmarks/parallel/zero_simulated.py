"""Count the bytes of states under ZeRO 0 to 3 on 64 and 512 ranks, of which one is simulated, beside what the paper counts.

    python benchmarks/parallel/zero_simulated.py [--picture docs/images/zero_memory.png]

The engine's own step is taken on tensors without numbers. Counted is the storage of weights, masters, gradients and moments, each
once: the most that there is after a micro-batch or before the update. With --picture, what 2 and 4 real processes hold is measured,
too (zero_memory.py). Prints a Markdown table; ends with 1 if a rank is further than 2 % from the law (Rajbhandari et al. 2020,
section 5).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import zero_memory

from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.plan.simulate import Simulation, simulate
from groundup.train.parallel.config import Layout

SIZES = (64, 512)
MODEL = ModelConfig.parse(
    {
        **{"vocab_size": 8192, "dim": 1024, "num_layers": 2, "num_heads": 8, "num_kv_heads": 8, "ffn_dim": 2048},
        **{"max_seq_len": 32, "tie_embeddings": False},
    },
    "model",
)
"""Every dim divides by 512."""


def simulated(kind: str, layout: Layout) -> dict[str, Any]:
    """Return the bytes of states a parameter that a rank of the layout holds, as a row of zero_memory's table."""
    found = simulate(Simulation(MODEL, layout, RowLengths.causal(MODEL.max_seq_len)))
    held = found.states.total / total_parameters(MODEL)
    row = {"kind": kind, "zero": layout.zero, "ranks": layout.dp, "shards": layout.shards}
    return {**row, "bytes": held, "simulated": True, "elapsed_s": found.elapsed_s}


def main() -> None:
    """Simulate, print, draw, and say by the exit code whether the law holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="draw the laws with what was simulated and what processes hold")
    given = parser.parse_args()
    rows = [simulated(kind, layout) for size in SIZES for kind, layout in zero_memory.stages(size)]
    sys.stdout.write(f"{zero_memory.table(rows)}\n{sum(row['elapsed_s'] for row in rows):.0f} s of simulation\n")
    if given.picture is not None:
        zero_memory.draw([*rows, *(row for size in (2, 4) for row in zero_memory.run(size))], given.picture)
    sys.exit(0 if all(map(zero_memory.is_lawful, rows)) else 1)


if __name__ == "__main__":
    main()
