"""What reading takes: CPU time of each format on the same documents, beside `json` on the lines alone; main text of pages.

    python benchmarks/curate/reading.py --text FOLDER [--pages FOLDER] [--documents 20000]

The text (.txt, .md) is cut into documents of 1,500 characters. `whole` reads a file from start to end, `cut` divides it into parts
(for gzip and zstd: unpacks it), `parts` reads those. Pages are .html files; `bounds` is the check before parsing.
"""

import argparse
import csv
import gzip
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from groundup.core.errors import MissingExtraError
from groundup.curate.config import SourceConfig
from groundup.curate.sources.extraction import EXTRACTORS
from groundup.curate.sources.extraction.bounds import excess
from groundup.curate.sources.files import Files

DOCUMENT_CHARS = 1500
ROUNDS = 3


def cpu_s(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start_s = time.process_time()
        work()
        times.append(time.process_time() - start_s)
    return min(times)


def write_formats(texts: list[str], folder: Path) -> bytes:
    """Write the documents in each format; return the lines of JSON."""
    lines = "".join(json.dumps({"id": f"d{number}", "text": text}) + "\n" for number, text in enumerate(texts)).encode()
    (folder / "a.jsonl").write_bytes(lines)
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines, 6))
    (folder / "c.jsonl.zst").write_bytes(zstandard.compress(lines))
    ids = [f"d{number}" for number in range(len(texts))]
    pq.write_table(pa.table({"id": ids, "text": texts}), folder / "d.parquet", row_group_size=2000)
    with (folder / "e.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *zip(ids, texts, strict=True)])
    return lines


def report_formats(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = write_formats(texts, folder).splitlines()
        print(
            f"{'json.loads alone':<18} {1e6 * cpu_s(lambda: [json.loads(line) for line in lines]) / len(texts):6.1f} us a document"
        )
        for path in sorted(folder.glob("?.*")):
            report_format(path, folder / "scratch", len(texts))


def report_format(path: Path, scratch: Path, num_documents: int) -> None:
    source = Files(SourceConfig(name="s", path=path))
    whole_s = cpu_s(lambda: sum(1 for _ in source.documents()))
    start_s = time.process_time()
    parts = source.parts(scratch)
    cut_s = time.process_time() - start_s
    parts_s = cpu_s(lambda: [sum(1 for _ in source.read_part(part, scratch)) for part in parts])
    figures = {"whole": whole_s, "cut": cut_s, "parts": parts_s}
    said = "   ".join(f"{label} {1e6 * seconds / num_documents:6.1f}" for label, seconds in figures.items())
    print(f"{path.name:<18} {said}   us a document, {len(parts)} parts")


def report_pages(folder: Path) -> None:
    pages = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.rglob("*.html"))]
    megabytes = sum(map(len, pages)) / 1e6
    print(f"{len(pages)} pages, {megabytes:.1f} MB; bounds {megabytes / cpu_s(lambda: list(map(excess, pages))):.0f} MB/s")
    good = [page for page in pages if excess(page) is None]
    for name, make in EXTRACTORS.items():
        try:
            extractor = make()
        except MissingExtraError:
            continue
        start_s = time.process_time()
        text = [extractor.main_text(page) for page in good]
        speed = sum(map(len, good)) / 1e6 / (time.process_time() - start_s)
        print(f"{name}: {speed:.1f} MB/s, {sum(map(len, text)) / 1e6:.2f} MB of text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.text.rglob("*") if path.suffix in (".txt", ".md"))
    text = "".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)
    starts = range(0, min(len(text), arguments.documents * DOCUMENT_CHARS), DOCUMENT_CHARS)
    report_formats([text[start : start + DOCUMENT_CHARS] for start in starts])
    if arguments.pages:
        report_pages(arguments.pages)


if __name__ == "__main__":
    main()
