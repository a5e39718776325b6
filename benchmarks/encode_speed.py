"""Time `groundup encode` on real text: bytes a CPU second, what a second worker gains, memory of all processes.

    python benchmarks/encode_speed.py DIR --text FOLDER [--algorithms bpe unigram wordpiece] [--megabytes 100] [--workers 1 2]

DIR keeps documents and tokenizers between runs. Text files (.md, .txt) and the strings of .jsonl files under the folders are cut
into documents of about 1.5 kB; where there is less than was asked for, it is repeated. Times are of the whole command, from its
start to the last hash; beside it, in the same run, the library `tokenizers` encodes a part of the text on one core.
"""

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA, SPLIT_FOLDERS, Documents
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.curate.passes.tables import ParquetTable
from groundup.tokenizer.config import TokenizerConfig
from groundup.tokenizer.run import run as train_tokenizer

DOCUMENT_CHARS = 1500
GROUP_ROWS = 512
VOCAB_SIZE = 16_384
PEER_BYTES = 6_000_000
INTERVAL_S = 0.05
HEADER = (
    "tokenizer | workers | wall s | CPU s | CPU s of the longest path | MB / CPU s | tokens | peak PSS of all processes, MB | "
    "tokenizers alone, MB / CPU s"
)


class Size(Config):
    """How much text."""

    megabytes: int


def main() -> None:
    """Make what is missing, measure, print."""
    arguments = _arguments()
    documents = _documents(arguments.folder / f"documents-{arguments.megabytes}", arguments.text, arguments.megabytes)
    size = int(documents.manifest.counts["bytes"])
    print(f"{size / 1e6:.1f} MB in {documents.manifest.counts['documents']:,} documents", flush=True)
    print(HEADER)
    for algorithm in arguments.algorithms:
        tokenizer = _tokenizer(arguments.folder / algorithm, algorithm, documents)
        peer = _peer(tokenizer, documents)
        for workers in arguments.workers:
            out = arguments.folder / "encoded"
            shutil.rmtree(out, ignore_errors=True)
            command = ["encode", "--input", documents.path, "--tokenizer", tokenizer.path, "--out", out, "--workers", workers]
            took = _measured([sys.executable, "-m", "groundup", *map(str, command), "--quiet", "--json"])
            tokens = TokenShards.open(out).total("tokens", "train")
            times = f"{took.wall_s:.1f} | {took.cpu_s:.1f} | {took.path_s:.1f} | {size / 1e6 / took.cpu_s:.1f}"
            print(f"{algorithm} | {workers} | {times} | {tokens:,} | {took.peak_bytes / 1e6:.0f} | {peer:.1f}", flush=True)


def _documents(out: Path, folders: Sequence[Path], megabytes: int) -> Documents:
    def write(config: Size, job: Job) -> Outcome:
        total = number = 0
        for folder in SPLIT_FOLDERS.values():
            (job.out / folder).mkdir()
        with ParquetTable(job.out / SPLIT_FOLDERS["train"] / "part-00000.parquet", DOCUMENT_SCHEMA) as table:
            for number, text in enumerate(itertools.chain.from_iterable(itertools.repeat(list(_texts(folders))))):
                size = len(text.encode())
                table.add((f"text/{number}", text, "text", None, None, size, size // 4, "{}"))
                if number % GROUP_ROWS == 0:
                    table.flush()
                total += size
                if total >= config.megabytes * 1_000_000:
                    break
        with ParquetTable(job.out / SPLIT_FOLDERS["validation"] / "part-00000.parquet", DOCUMENT_SCHEMA):
            pass
        write_json(job.out / "sources.json", [{"name": "text", "weight": 1.0}])
        return Outcome({"documents": number + 1, "bytes": total})

    make(Order("curate", Documents.kind, out, Size(megabytes=megabytes), 0), write, replace=False)
    return Documents.open(out)


def _texts(folders: Sequence[Path]) -> Iterator[str]:
    """Yield documents of about DOCUMENT_CHARS, cut at empty lines."""
    for file in sorted(file for folder in folders for file in folder.rglob("*")):
        if file.suffix == ".jsonl":
            for line in file.read_text().splitlines():
                yield "\n".join(value for value in json.loads(line).values() if isinstance(value, str))
        elif file.suffix in (".md", ".txt"):
            text = ""
            for paragraph in file.read_text().split("\n\n"):
                text += paragraph + "\n\n"
                if len(text) >= DOCUMENT_CHARS:
                    yield text
                    text = ""


def _tokenizer(out: Path, algorithm: str, documents: Documents) -> Tokenizer:
    config = TokenizerConfig.parse({"algorithm": algorithm, "vocab_size": VOCAB_SIZE}, "benchmark")
    if not out.exists():
        make(Order("tokenizer", Tokenizer.kind, out, config, 0, inputs={"curate": documents}), train_tokenizer, replace=False)
    return Tokenizer.open(out)


def _peer(tokenizer: Tokenizer, documents: Documents) -> float:
    """Return the megabytes that the library encodes in a CPU second."""
    texts, size = [], 0
    for document in documents.read("train"):
        texts.append(document.text)
        size += len(document.text.encode())
        if size >= PEER_BYTES:
            break
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    engine = tokenizer.text.engine
    start_s = time.process_time()
    engine.encode_batch_fast(texts, add_special_tokens=False)
    return size / 1e6 / (time.process_time() - start_s)


@dataclass(frozen=True)
class Measured:
    """What a command and all that it started took."""

    wall_s: float
    cpu_s: float
    path_s: float
    """CPU seconds of the command's own process and of the busiest one that it started: what it takes on cores of its own."""
    peak_bytes: int
    """Of the summed PSS of all processes."""


def _measured(command: Sequence[str]) -> Measured:
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, started, done = 0, dict[int, float](), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(INTERVAL_S):
            tree = _tree(process.pid)
            peak = max(peak, sum(map(_pss, tree)))
            started.update({pid: cpu_s for pid in tree[1:] if (cpu_s := _cpu_seconds(pid))})

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    wall_s = time.monotonic() - start_s
    done.set()
    watcher.join()
    assert code == 0, f"{' '.join(command)} ended with {code}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    path_s = cpu_s - sum(started.values()) + max(started.values(), default=0.0)
    return Measured(wall_s, cpu_s, path_s, peak)


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    parser.add_argument("--algorithms", nargs="+", default=["bpe", "unigram", "wordpiece"])
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    return parser.parse_args()


if __name__ == "__main__":
    main()
