"""Train the same model with groundup and with other trainers, step by step in turn, in one run.

    python benchmarks/training/interleave.py 12m --environments DIR --nanogpt CHECKOUT [--rounds 12] [--json FILE]

Each side is a process of its own that trains as its own library does, held still (SIGSTOP) while another has its turn, a step
long. A step counts if the rest of the machine was quiet meanwhile. The rate of the model's matrix products is measured in the same
rounds: MFU is 6 N + 12 L h s FLOPs a token (output head in, input embedding out) over the best of those rates. Environments are
made by `environments.sh DIR`; without one, its trainers are left out.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cases import CASES, Case
from rich.console import Console
from rich.table import Table

from groundup.core.allocator import c_library, lacking

HERE = Path(__file__).parent
PEAK = "matrix products"
OURS = "groundup"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class Worker:
    """One side: its process and what it told."""

    name: str
    process: subprocess.Popen[str]
    first_step_s: float = 0.0
    turns: list[dict[str, float]] = field(default_factory=list)
    """Seconds and more of each turn, with 'others', the share of the machine that others took."""

    def turn(self) -> dict[str, Any]:
        """Let the worker take one step and hold it still again."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        busy_s, own_s, start_s = busy_seconds(), self.cpu_seconds(), time.perf_counter()
        self._signal(signal.SIGCONT)
        if self.turns or self.first_step_s:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}; its words are above")
        wall_s = time.perf_counter() - start_s
        self._signal(signal.SIGSTOP)
        others_s = busy_seconds() - busy_s - (self.cpu_seconds() - own_s)
        return {**json.loads(line), "others": max(0.0, others_s) / wall_s / (os.cpu_count() or 1)}

    def begin(self, started_s: float) -> None:
        """Let the worker come to the end of its first step; its process began at `started_s`."""
        self.turn()
        self.first_step_s = time.perf_counter() - started_s

    def end(self) -> None:
        """End the worker."""
        if self.process.poll() is None:
            self._signal(signal.SIGKILL)
        self.process.wait()

    def cpu_seconds(self) -> float:
        """Return the processor time of the worker and of the children it waited for."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(word) for word in words[11:15]) / TICKS_PER_S

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)


def busy_seconds() -> float:
    """Return the time that all processors have worked, or were taken away by the host, since the machine started."""
    user, nice, system, _, _, irq, soft_irq, steal, *_ = (int(word) for word in Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + soft_irq + steal) / TICKS_PER_S


def commands(name: str, case: Case, given: argparse.Namespace) -> dict[str, list[str]]:
    """Return the command of each side that can run here."""
    peers = HERE / "peers"
    settings = [f"{key}={value}" for key, value in lacking(os.environ, c_library()).items()]  # which the command begins with
    ours: list[str | Path] = ["env", *settings, sys.executable, peers / "groundup_engine.py", name]
    found: dict[str, list[str | Path]] = {PEAK: [sys.executable, str(peers / "matmul_peak.py"), name], OURS: ours}
    if given.eager:
        found["groundup, eager"] = [*ours, "--eager"]
    trainer: list[str | Path] = [given.environments / "transformers/bin/python", peers / "transformers_trainer.py", name]
    if Path(trainer[0]).exists():
        found["transformers Trainer, bf16"] = trainer
        if given.all:
            found["transformers Trainer, bf16, compiled"] = [*trainer, "--compile"]
            found["transformers Trainer, fp32 (default)"] = [*trainer, "--fp32"]
    litgpt = given.environments / "litgpt/bin/python"
    if case.shape == "decoder" and litgpt.exists():
        found["litgpt, bf16-mixed, compiled (default)"] = [litgpt, peers / "litgpt_pretrain.py", name]
    if case.shape == "decoder" and given.nanogpt is not None:
        nanogpt: list[str | Path] = [sys.executable, peers / "nanogpt.py", name, "--checkout", given.nanogpt]
        found["nanoGPT, fp32, compiled (its way on a CPU)"] = nanogpt
        found["nanoGPT, bf16, compiled (one line changed)"] = [*nanogpt, "--bf16"]
    chosen = {side: command for side, command in found.items() if not given.only or side in (PEAK, OURS) or given.only in side}
    return {side: [str(word) for word in command] for side, command in chosen.items()}


def measure(sides: dict[str, list[str]], given: argparse.Namespace) -> list[Worker]:
    """Start all sides one after another, then let them take turns."""
    workers: list[Worker] = []
    try:
        for side, command in sides.items():
            sys.stderr.write(f"starting {side}\n")
            started_s = time.perf_counter()
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
            workers.append(Worker(side, process))
            workers[-1].begin(started_s)
        until_s = time.monotonic() + given.seconds
        for round_number in range(given.warm_up + given.rounds):
            if time.monotonic() > until_s:
                break
            for worker in workers:
                turn = worker.turn()
                if round_number >= given.warm_up:
                    worker.turns.append(turn)
    finally:
        for worker in workers:
            worker.end()
    return workers


def summary(case: Case, workers: list[Worker], quiet: float) -> list[dict[str, Any]]:
    """Return one row a side: medians over its quiet steps."""
    quiet_turns = {worker.name: [turn for turn in worker.turns if turn["others"] <= quiet] for worker in workers}
    if not all(quiet_turns.values()):
        noise = {worker.name: sorted(round(turn["others"], 2) for turn in worker.turns) for worker in workers}
        raise SystemExit(f"not one quiet step of some side; others took these shares of the machine: {noise}")
    medians = {name: statistics.median(turn["seconds"] for turn in turns) for name, turns in quiet_turns.items()}
    peak, mean_rate = (statistics.median(turn[what] for turn in quiet_turns[PEAK]) for what in ("best", "mean"))
    return [
        {
            "side": worker.name,
            "step_s": medians[worker.name],
            "tokens_per_s": case.step_tokens / medians[worker.name],
            "ratio_ours_over_it": medians[worker.name] / medians[OURS],
            "flops_per_s": case.step_flops / medians[worker.name],
            "mfu": case.step_flops / medians[worker.name] / peak,
            "peak_matmul_flops_per_s": peak,
            "mean_matmul_flops_per_s": mean_rate,
            "peak_memory_bytes": max(turn["peak_bytes"] for turn in worker.turns),
            "first_step_s": worker.first_step_s,
            "quiet_steps": len(quiet_turns[worker.name]),
            "others_share": statistics.median(turn["others"] for turn in quiet_turns[worker.name]),
        }
        for worker in workers
        if worker.name != PEAK
    ]


def cpu_model() -> str:
    """Return the processor's name, family and model."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return f"{facts.get('model name', platform.processor())} (family {facts.get('cpu family')}, model {facts.get('model')})"


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print the rows as a table."""
    table = Table("side", "tok/s", "ours / it", "GFLOP/s", "MFU", "peak MB", "first step s", "steps", "others", title=title)
    for row in rows:
        table.add_row(
            row["side"],
            f"{row['tokens_per_s']:,.0f}",
            f"{row['ratio_ours_over_it']:.2f}",
            f"{row['flops_per_s'] / 1e9:.0f}",
            f"{row['mfu']:.0%}",
            f"{row['peak_memory_bytes'] / 1e6:,.0f}",
            f"{row['first_step_s']:.1f}",
            str(row["quiet_steps"]),
            f"{row['others_share']:.0%}",
        )
    Console(width=150).print(table)


def main() -> None:
    """Measure one case and report it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--environments", type=Path, required=True, help="folder made by environments.sh")
    parser.add_argument("--nanogpt", type=Path, help="checkout of nanoGPT")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before those that count")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no round after so many")
    parser.add_argument("--quiet", type=float, default=0.08, help="share of the machine that others may take while a step counts")
    parser.add_argument("--only", help="measure the sides with this in their name, and ours")
    parser.add_argument("--all", action="store_true", help="transformers in float32 and compiled as well")
    parser.add_argument("--eager", action="store_true", help="groundup without the compiler as well")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    case = CASES[given.case]
    workers = measure(commands(given.case, case, given), given)
    rows = summary(case, workers, given.quiet)
    best, mean = rows[0]["peak_matmul_flops_per_s"] / 1e9, rows[0]["mean_matmul_flops_per_s"] / 1e9
    rates = f"matrix products in bfloat16: the fastest {best:.0f} GFLOP/s, all together {mean:.0f}"
    show(rows, f"{given.case} on {cpu_model()}, {os.cpu_count()} cores; {rates}")
    if given.json:
        given.json.write_text(json.dumps({"case": given.case, "processor": cpu_model(), "sides": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
