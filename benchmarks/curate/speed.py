"""Measure what curation costs: documents a CPU second and memory, beside other tools on the same corpus in the same run.

    python benchmarks/curate/corpus.py DIR --text FOLDER... --megabytes 20
    benchmarks/curate/environments.sh ENVS
    python benchmarks/curate/speed.py DIR [--workers 1 2] [--rules gopher-2021,...] [--peers ENVS] [--rounds 2] [--json FILE]
        [-- more arguments of groundup curate]

CPU seconds are user and system time of the whole process tree, start of the interpreter included; memory is the highest sum of PSS
(resident pages, shared ones divided among their users) over the tree, looked at every 0.2 s. Of several rounds, in which the tools
take turns, the one with the least CPU time counts. Beside them: how many planted near-duplicates are gone, and how much of the
clean prose is. Peers do less than groundup: datatrove has no exact duplicates apart, no leakage and redacts e-mail and IPv4;
datasketch and text-dedup take near-duplicates out, nothing else.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

PEERS = Path(__file__).parent / "peers"
SAMPLE_S = 0.2
RULES = "gopher-2021,gopher-2021-repetition"
BANDS = ((0.85, 1.0), (0.80, 0.85), (0.70, 0.80))


@dataclass(frozen=True)
class Cost:
    """What one command took."""

    cpu_s: float
    wall_s: float
    peak_pss_bytes: int


@dataclass(frozen=True)
class Row:
    """One tool on one corpus."""

    tool: str
    workers: int
    documents: int
    megabytes: float
    cost: Cost
    quality: dict[str, float]

    @property
    def documents_per_cpu_s(self) -> float:
        return self.documents / self.cost.cpu_s


def measure(command: list[str]) -> Cost:
    """Run a command and return what its process tree took; a command that fails ends the benchmark with what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak, start_s = 0, time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        while process.poll() is None:
            peak = max(peak, tree_pss_bytes(process.pid))
            time.sleep(SAMPLE_S)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(cpu_s, time.perf_counter() - start_s, peak)


def tree_pss_bytes(pid: int) -> int:
    """Return the sum of the proportional set sizes of a process and all below it; those that end meanwhile count nothing."""
    try:
        pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(_pss_bytes, pids))


def _pss_bytes(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def commands(corpus: Path, out: Path, workers: int, given: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Yield the tools with what is to be run for each."""
    arguments = ["--input", str(corpus), "--rules", given.rules, "--workers", str(workers), "--out", str(out), "--quiet"]
    yield "groundup", [sys.executable, "-m", "groundup", "curate", *arguments, *given.more]
    if given.peers:
        for peer in given.tools:
            python = given.peers / peer / "bin/python"
            script = PEERS / f"{peer.replace('-', '_')}_dedup.py"
            if peer == "datasketch" and workers > 1:  # one process is all it has
                continue
            yield peer, [str(python), str(script), str(corpus), str(out), str(workers), given.rules]


def kept_ids(tool: str, out: Path) -> set[str]:
    """Return the documents that a tool kept: peers write them to kept.txt."""
    if tool != "groundup":
        return set((out / "kept.txt").read_text().split())
    files = [file for folder in ("documents", "validation") for file in sorted((out / folder).glob("*.parquet"))]
    return {document_id for file in files for document_id in pq.read_table(file, columns=["id"])["id"].to_pylist()}


def quality(planted: Path, kept: set[str]) -> dict[str, float]:
    """Return recall of planted near-duplicates by band, and parts of clean prose and of low quality that are gone.

    A pair is found if one of it is gone; only originals with one copy are asked, whose other copies cannot blur it. Clean prose
    is counted where it has no copies.
    """
    with (planted / "truth.jsonl").open(encoding="utf-8") as lines:
        truth: dict[str, dict[str, Any]] = {row["id"]: row for row in map(json.loads, lines)}
    copies = Counter(row["twin"] for row in truth.values() if row["twin"])
    figures = {}
    for low, high in BANDS:
        pairs = [
            row
            for row in truth.values()
            if row["kind"] in ("near_duplicate", "header_added") and low <= row["jaccard"] < high and copies[row["twin"]] == 1
        ]
        gone = sum(row["id"] not in kept or row["twin"] not in kept for row in pairs)
        figures[f"recall {low:.2f}-{high:.2f}"] = gone / max(len(pairs), 1)
    for kind in ("clean", "low_quality"):
        ids = [document_id for document_id, row in truth.items() if row["kind"] == kind and not copies[document_id]]
        figures[f"{kind} gone"] = sum(document_id not in kept for document_id in ids) / max(len(ids), 1)
    return figures


def run(planted: Path, workers: int, given: argparse.Namespace) -> list[Row]:
    """Measure all tools on one corpus, taking turns."""
    about = json.loads((planted / "about.json").read_text())
    costs: dict[str, list[Cost]] = {}
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
        for _ in range(given.rounds):
            for tool, command in commands(planted / "corpus", Path(scratch, "out"), workers, given):
                costs.setdefault(tool, []).append(measure(command))
                if tool not in figures:
                    figures[tool] = quality(planted, kept_ids(tool, Path(scratch, "out")))
                shutil.rmtree(Path(scratch, "out"))
                print(f"{planted.name}, {workers} workers, {tool}: {costs[tool][-1]}", file=sys.stderr, flush=True)
    return [
        Row(tool, workers, about["documents"], about["bytes"] / 1e6, min(found, key=lambda cost: cost.cpu_s), figures[tool])
        for tool, found in costs.items()
    ]


def print_table(rows: list[Row]) -> None:
    """Print the rows as a table of Markdown."""
    names = list(rows[0].quality)
    head = ["MB", "tool", "workers", "wall s", "CPU s", "documents a CPU s", "peak MB", *names]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        cost = row.cost
        figures = [f"{row.megabytes:.0f}", row.tool, f"{row.workers}", f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}"]
        figures += [f"{row.documents_per_cpu_s:,.0f}", f"{cost.peak_pss_bytes / 1e6:.0f}"]
        print(f"| {' | '.join([*figures, *(f'{row.quality[name]:.3f}' for name in names)])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("planted", type=Path, nargs="+", metavar="DIR", help="what corpus.py made")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rules", default=RULES, help="rule sets, for groundup and for datatrove")
    parser.add_argument("--peers", type=Path, metavar="ENVS", help="what environments.sh made")
    parser.add_argument("--tools", nargs="+", default=["datatrove", "datasketch", "text-dedup"], help="which peers")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="where results are written meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE")
    own, _, more = _split(sys.argv[1:])
    given = parser.parse_args(own, argparse.Namespace(more=more))
    rows = [row for planted in given.planted for workers in given.workers for row in run(planted, workers, given)]
    print_table(rows)
    if given.json:
        found = [{**asdict(row), "documents_per_cpu_s": row.documents_per_cpu_s} for row in rows]
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _split(arguments: list[str]) -> tuple[list[str], list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at : at + 1], arguments[at + 1 :]


if __name__ == "__main__":
    main()
