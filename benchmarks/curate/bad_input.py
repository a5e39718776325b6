"""Give `groundup curate` everything that can be wrong with files, and print what became of it and how much memory it took.

    python benchmarks/curate/bad_input.py DIR [--only NAME...]

Each case is a folder with a file of 40 good documents and bad ones beside it, curated by a process of its own with one worker,
default settings and nothing held out. The peak is the sum of PSS over all processes, looked at fifty times a second. Takes 0.6 GB.
"""

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "that",
    "have",
    "with",
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
]
MEGABYTE = 1 << 20
NUM_GOOD = 40


def prose(number: int, num_words: int = 120) -> str:
    """Return a text that keeps the rules, another for each number."""
    chance = random.Random(number)
    return " ".join(f"{chance.choice(WORDS)}{chance.choice(['', chance.randrange(999)])}" for _ in range(num_words)) + "."


def lines(*records: object) -> bytes:
    return b"".join((record if isinstance(record, bytes) else json.dumps(record).encode()) + b"\n" for record in records)


def bomb(folder: Path) -> None:
    with gzip.open(folder / "b.jsonl.gz", "wb") as file:
        file.write(b'{"text": "')
        for _ in range(10 * 1024):
            file.write(b"a" * MEGABYTE)


def long_line(folder: Path) -> None:
    with (folder / "b.jsonl").open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(500):
            file.write(b"word and the " * (1_000_000 // 13))
        file.write(b'"}\n' + lines({"text": prose(50)}))


def long_file(folder: Path) -> None:
    with (folder / "b.txt").open("wb") as file:
        for _ in range(500):
            file.write(b"word and the " * (1_000_000 // 13))


def deep_pages(folder: Path) -> None:
    (folder / "b.html").write_text("<div>" * 700_000 + prose(50) + "</div>" * 700_000)
    (folder / "c.html").write_text("<div>" * 100_000 + prose(51) + "</div>" * 100_000)
    (folder / "d.html").write_text(f"<p {' '.join(f'a{number}=1' for number in range(100_000))}>{prose(52)}")


def broken_utf8(folder: Path) -> None:
    surrogate = b'{"text": "half \\ud800 a pair"}'
    (folder / "b.jsonl").write_bytes(lines(b'{"text": "\xff\xfe"}', {"text": prose(50)}, b"\xc3\x28", surrogate))
    (folder / "c.txt").write_bytes(b"some \xff text")
    (folder / "d.txt").write_bytes(b"\0binary")


def mixed_schemas(folder: Path) -> None:
    records = ({"text": 5}, {"text": ["a"]}, {"txt": "a"}, [1], "a", None, b"{broken", {"id": 7, "text": prose(50)})
    (folder / "b.jsonl").write_bytes(lines(*records))
    pq.write_table(pa.table({"text": [prose(51), None], "id": [1, 2]}), folder / "c.parquet")
    pq.write_table(pa.table({"content": [prose(52)]}), folder / "d.parquet")
    (folder / "e.csv").write_text(f'text,id\n"{prose(53)}",x\nfew\n"a",b,c\n')


def no_text(folder: Path) -> None:
    (folder / "b.jsonl").write_bytes(lines({"text": None}, {"text": ""}, {"text": " \n "}, {"text": "\0\1"}, {}))


def same_ids(folder: Path) -> None:
    (folder / "b.jsonl").write_bytes(lines(*({"id": "same", "text": prose(50 + number)} for number in range(40))))


def huge(folder: Path) -> None:
    (folder / "b.txt").write_text("\n\n".join(prose(50 + number) for number in range(64_000)))


def scripts(folder: Path) -> None:
    texts = {
        "hebrew": "שלום עולם זה משפט בעברית. " * 60,
        "thai": "สวัสดีชาวโลก" * 300,
        "chinese": "你好世界。" * 500,
        "combining": prose(50) + " Z" + "\u0301\u0302\u0323" * 5_000,
        "turned": f"\u202e{prose(51)}\u202c",
        "emoji": prose(52) + "👨\u200d👩\u200d👧\u200d👦" * 500,
    }
    (folder / "b.jsonl").write_bytes(lines(*({"id": name, "text": text} for name, text in texts.items())))


def empty(folder: Path) -> None:
    for number, ending in enumerate(("jsonl", "txt", "jsonl.gz", "jsonl.zst", "parquet", "csv", "warc.gz", "html")):
        (folder / f"{number}.{ending}").touch()
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), folder / "rows.parquet")


def damaged(folder: Path) -> None:
    packed = gzip.compress(lines(*({"text": prose(1_000 + number)} for number in range(2_000))))
    (folder / "b.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "c.jsonl.gz").write_bytes(packed[:5_000] + b"damage" * 50 + packed[5_300:])
    pq.write_table(pa.table({"text": [prose(5_000 + number) for number in range(50)]}), folder / "d.parquet")
    os.truncate(folder / "d.parquet", (folder / "d.parquet").stat().st_size // 2)
    (folder / "e.jsonl.zst").write_bytes(b"no zstd")
    (folder / "f.warc.gz").write_bytes(b"no archive")


def dead_link(folder: Path) -> None:
    (folder / "b.jsonl").symlink_to("gone.jsonl")


CASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "bomb": (bomb, "10 GB in 10 MB of gzip"),
    "long_line": (long_line, "500 MB on one line of JSON"),
    "long_file": (long_file, "500 MB in one file of text"),
    "deep_pages": (deep_pages, "pages of 700,000 and 100,000 elements within each other, a tag of 100,000 attributes"),
    "broken_utf8": (broken_utf8, "broken UTF-8, half a surrogate pair, zero bytes"),
    "mixed_schemas": (mixed_schemas, "numbers, lists and null for text, other keys and columns, rows of other lengths"),
    "no_text": (no_text, "null, nothing, white space, control characters"),
    "same_ids": (same_ids, "40 documents of one id"),
    "huge": (huge, "one document of 50 MB"),
    "scripts": (scripts, "Hebrew, Thai, Chinese, 15,000 combining marks, turned directions, joined emoji"),
    "empty": (empty, "empty files of eight formats, a table without rows"),
    "damaged": (damaged, "gzip cut off and overwritten, half a table, files that are not what they are called"),
    "dead_link": (dead_link, "a link that leads nowhere"),
}


def total_pss(process: psutil.Process) -> int:
    """Return the proportional memory of a process and all that it started."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def curate(folder: Path, out: Path) -> tuple[int, int, str]:
    """Return exit code, peak memory in bytes and the last line of complaint."""
    command = [
        sys.executable,
        "-m",
        "groundup",
        "curate",
        "--input",
        str(folder),
        "--out",
        str(out),
        "--workers",
        "1",
        "--validation",
    ]
    with (folder.parent / "said.txt").open("w+") as said:
        started = subprocess.Popen([*command, "0", "--quiet"], stdout=subprocess.DEVNULL, stderr=said)
        process, peak_bytes = psutil.Process(started.pid), 0
        while started.poll() is None:
            try:
                peak_bytes = max(peak_bytes, total_pss(process))
            except psutil.NoSuchProcess:
                break
            time.sleep(0.02)
        code = started.wait()
        said.seek(0)
        return code, peak_bytes, " ".join(said.read().split())


def run_case(name: str, root: Path) -> str:
    """Return the row of a case."""
    make, words = CASES[name]
    folder, out = root / name, root / f"{name}.out"
    for path in (folder, out):
        shutil.rmtree(path, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(lines(*({"text": prose(number)} for number in range(NUM_GOOD))))
    make(folder)
    code, peak_bytes, said = curate(folder, out)
    shutil.rmtree(folder)
    if code:
        return f"| {words} | exit {code}: {said.replace(str(folder), 'DIR')} | | {peak_bytes / 1e6:.0f} MB |"
    funnel = json.loads((out / "funnel.json").read_text())
    drops = Counter[str]()
    for stage in funnel["stages"]:
        drops.update(stage["by_rule"])
    told = ", ".join(f"`{rule}` {number}" for rule, number in drops.items())
    return f"| {words} | {told or 'nothing dropped'} | {funnel['stages'][-1]['docs_out']:,} | {peak_bytes / 1e6:.0f} MB |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="NAME")
    given = parser.parse_args()
    print("| beside 40 good documents | dropped | kept | peak memory |\n|---|---|---|---|", flush=True)
    for name in given.only:
        print(run_case(name, given.folder), flush=True)


if __name__ == "__main__":
    main()
