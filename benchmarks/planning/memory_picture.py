"""Draw what one of 64 devices holds of Llama 3 8B by strategy, line by line: docs/images/memory_by_strategy.png.

python benchmarks/planning/memory_picture.py [--out FILE]
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

from groundup.estimate.device_memory import LINES, Memory, Training, device_memory
from groundup.estimate.hardware import find_hardware
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

GIB = 2**30
MODEL, SEQ_LEN, DEVICE = "llama3-8b", 8192, "a100-80-sxm"
STRATEGIES: dict[str, Layout] = {
    "DDP": Layout(dp=64),
    "ZeRO-1": Layout(dp=64, zero=1),
    "ZeRO-2": Layout(dp=64, zero=2),
    "ZeRO-3\n(FSDP)": Layout(dp=64, zero=3),
    "hybrid\n8 of 64": Layout(dp=64, zero=3, sharding_factor=8),
    "FSDP,\nselective": Layout(dp=64, zero=3, recompute="selective"),
    "FSDP,\nfull": Layout(dp=64, zero=3, recompute="full"),
    "FSDP 8\nx TP 8": Layout(dp=8, tp=8, zero=3),
    "ZeRO-1\nTP 4 x PP 2": Layout(dp=8, tp=4, pp=2, zero=1),
    "FSDP,\noffload": Layout(dp=64, zero=3, recompute="selective", offload="optimizer"),
}


def memory_of(layout: Layout) -> Memory:
    return device_memory(find_preset(MODEL).config, layout, Training(RowLengths.causal(SEQ_LEN)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs/images/memory_by_strategy.png")
    out = parser.parse_args().out
    memories = [memory_of(layout) for layout in STRATEGIES.values()]
    figure, axes = plt.subplots(figsize=(11, 4.6), layout="constrained")
    base = [0.0] * len(memories)
    for line, color in zip(LINES, plt.get_cmap("tab10").colors, strict=False):  # type: ignore[attr-defined]
        sizes = [memory.lines[line] / GIB for memory in memories]
        axes.bar(list(STRATEGIES), sizes, bottom=base, label=line.replace("_", " "), color=color, width=0.7)
        base = [low + size for low, size in zip(base, sizes, strict=True)]
    for place, top in enumerate(base):
        axes.text(place, top + 2, f"{top:.0f}", ha="center", fontsize=9)
    device = find_hardware(DEVICE)
    axes.axhline(device.memory_gib, color="black", linestyle="--", linewidth=1)
    axes.text(len(base) - 0.6, device.memory_gib + 2, device.title, ha="right", fontsize=9)
    axes.set_ylabel("GiB on one device")
    axes.set_title(f"{MODEL} on 64 devices, bf16, one sequence of {SEQ_LEN:,} tokens a pass")
    axes.legend(loc="upper right", ncols=2, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
