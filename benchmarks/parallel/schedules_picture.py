"""Draw when each rank of a pipeline works under each schedule: docs/images/pipeline_schedules.png.

python benchmarks/parallel/schedules_picture.py [--out FILE]
"""

import argparse
from pathlib import Path
from typing import get_args

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from groundup.train.parallel.config import PipelineSchedule
from groundup.train.parallel.pipeline.bubble import bubble_share, timeline

RANKS, MICRO_BATCHES = 4, 8
COLORS = {"F": "#4c78a8", "B": "#f2a541", "I": "#f2a541", "W": "#9bbf85"}
MEANINGS = {"F": "forward", "B": "backward (of what was received)", "W": "backward, of weights"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs/images/pipeline_schedules.png")
    out = parser.parse_args().out
    schedules: tuple[PipelineSchedule, ...] = get_args(PipelineSchedule)
    figure, rows = plt.subplots(len(schedules), 1, figsize=(11, 7.2), sharex=True, layout="constrained")
    for axes, schedule in zip(rows, schedules, strict=True):
        for rank, passes in enumerate(timeline(schedule, RANKS, MICRO_BATCHES)):
            for each in passes:
                shade = 1.0 if each.stage < RANKS else 0.6
                axes.barh(rank, each.end - each.start, left=each.start, color=COLORS[each.kind], edgecolor="white", alpha=shade)
                axes.text((each.start + each.end) / 2, rank, str(each.micro_batch + 1), ha="center", va="center", fontsize=6)
        axes.set_title(f"{schedule}: {bubble_share(schedule, RANKS, MICRO_BATCHES):.1%} of the time idle", fontsize=10, loc="left")
        axes.set_yticks(range(RANKS), [f"rank {rank}" for rank in range(RANKS)], fontsize=8)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    handles = [Patch(color=COLORS[kind]) for kind in MEANINGS]
    rows[0].legend(handles, MEANINGS.values(), fontsize=8, loc="upper right", ncols=3, bbox_to_anchor=(1, 1.3))
    rows[-1].set_xlabel("time, in forward passes of one rank")
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
