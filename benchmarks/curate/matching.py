"""What matching costs: CPU seconds and peak memory of exact copies, candidate pairs and repeated passages of many documents.

matching.py [--documents N] [--memory SIZE...]

The keys are drawn at random with planted groups: a fifth of the documents are copies, near 3 in 10 share bands with others, and
5 in 100 share one band with all of these, as pages with the same menu do. Each row is a process of its own. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from groundup.core.units import format_bytes, parse_bytes
from groundup.curate.dedup.arrays import Columns, write_array
from groundup.curate.dedup.candidates import write_candidates
from groundup.curate.dedup.exact import write_copies
from groundup.curate.dedup.minhash import NUM_BANDS
from groundup.curate.dedup.passages import write_passages, write_repeated
from groundup.curate.dedup.shingles import Shingles

PART_DOCUMENTS = 10_000
PASSAGES = 15
STAGES = ("copies", "candidates", "passages")


def make(folder: Path, documents: int) -> None:
    """Write the keys of parts of documents."""
    rng = np.random.default_rng(0)
    templates = rng.integers(0, 1 << 64, (NUM_BANDS, documents // 20), np.uint64)
    for part in range(documents // PART_DOCUMENTS):
        bands = rng.integers(0, 1 << 64, (NUM_BANDS, PART_DOCUMENTS), np.uint64)
        near = np.flatnonzero(rng.random(PART_DOCUMENTS) < 0.3)
        chosen = rng.integers(0, templates.shape[1], len(near))
        bands[:, near] = np.where(rng.random((NUM_BANDS, len(near))) < 0.4, templates[:, chosen], bands[:, near])
        bands[3, rng.random(PART_DOCUMENTS) < 0.05] = 7
        write_array(folder / f"bands-{part:05}.npy", bands)
        keys = rng.integers(0, 1 << 64, (2, PART_DOCUMENTS), np.uint64)
        copies = rng.random(PART_DOCUMENTS) < 0.2
        keys[:, copies] = templates[:2, rng.integers(0, templates.shape[1], copies.sum())]
        write_array(folder / f"keys-{part:05}.npy", keys)
        passages = rng.integers(0, 1 << 64, PART_DOCUMENTS * PASSAGES, np.uint64)
        repeated = rng.random(len(passages)) < 0.1
        passages[repeated] = templates[0, rng.integers(0, templates.shape[1], repeated.sum())]
        (folder / f"passages-{part:05}").mkdir()
        write_passages(folder / f"passages-{part:05}", Shingles(passages, np.arange(PART_DOCUMENTS + 1) * PASSAGES))


def peak_bytes() -> int:
    """Return the most memory that this process has had so far, pages of files included."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def work(folder: Path, stage: str, memory_bytes: int) -> None:
    """Do one stage and print what it took."""
    before = peak_bytes()
    out = folder / "out.npy"
    start = time.process_time()
    if stage == "copies":
        found = write_copies(Columns(sorted(folder.glob("keys-*"))), out, memory_bytes)
    elif stage == "candidates":
        found = write_candidates(Columns(sorted(folder.glob("bands-*"))), out, memory_bytes)
    else:
        found = write_repeated(sorted(folder.glob("passages-*")), out, 1, memory_bytes)
    seconds = time.process_time() - start
    json.dump({"found": found, "cpu_s": seconds, "grown_bytes": peak_bytes() - before}, sys.stdout)


def main() -> None:
    """Print a row for each stage and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--memory", nargs="+", default=["64MB", "256MB"])
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(Path(asked.work[0]), asked.work[1], int(asked.work[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), asked.documents)
        print(f"{asked.documents:,} documents\n\n| stage | memory asked | found | CPU s | us a document | memory grown by |")
        print("|---|---|---|---|---|---|")
        for stage in STAGES:
            for memory in asked.memory:
                command = [sys.executable, __file__, "--work", folder, stage, str(parse_bytes(memory))]
                done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                each = 1e6 * done["cpu_s"] / asked.documents
                took = f"{done['cpu_s']:.1f} | {each:.1f} | {format_bytes(done['grown_bytes'])}"
                print(f"| {stage} | {memory} | {done['found']:,} | {took} |")


if __name__ == "__main__":
    main()
