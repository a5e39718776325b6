"""Domain or not: how well a trained classifier knows documents of a domain, what it costs, beside scikit-learn on the same split.

    python benchmarks/curate/classifier.py --good PATH --bad PATH [--peers DIR] [--examples N] [--json FILE] [OPTIONS]

Documents of about 1.5 kB are cut from .txt and .md files and the `text` or `answer` of .jsonl files. What belongs together is held
out together: every fifth file of a folder, or of a .jsonl file the records of every fifth `focus` (or line). The classifier is
trained on the others by `groundup curate train-classifier`, which holds out some of its own to set the threshold; figures are of
documents that it never saw. OPTIONS are those of the command, as `--char-ngrams 3-5`. `--peers` names what environments.sh made, of
which `sklearn` is used: word pairs hashed into as many buckets, LogisticRegression. CPU time of one core; memory is the peak of the
training process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xxhash
from rules_speed import cut

from groundup.curate.classifier.quality import auc
from groundup.curate.classifier.stored import open_classifier

HELD_OUT_OF = 5
BATCH = 256
REPEATS = 3
PEER = Path(__file__).with_name("peers") / "sklearn_classifier.py"


def groups(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (what it belongs to, document)."""
    for file in sorted(path.rglob("*") if path.is_dir() else [path]):
        if file.suffix in (".txt", ".md"):
            yield from ((file.name, document) for document in cut(file.read_text(encoding="utf-8", errors="replace")))
        elif file.suffix == ".jsonl":
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
                record = json.loads(line)
                text = record.get("text") or record.get("answer") or ""
                yield from ((str(record.get("focus") or number), document) for document in cut(text))


def split(path: Path) -> tuple[list[str], list[str]]:
    """Return the documents to train on, and those of groups that are held out."""
    sides: tuple[list[str], list[str]] = ([], [])
    for group, document in groups(path):
        sides[order(group) % HELD_OUT_OF == 0].append(document)
    return sides


def order(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def train(folder: Path, extra: list[str]) -> dict[str, float]:
    """Train by the command in a process of its own; return its CPU seconds and peak memory."""
    words = ["curate", "train-classifier", "--good", "good.jsonl", "--bad", "bad.jsonl", "--out", "classifier", "--quiet", *extra]
    code = (
        "import json, resource, sys; from groundup.cli import app\n"
        f"sys.argv = {['groundup', *words]!r}\n"
        "try: app()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(json.dumps({'cpu_s': used.ru_utime + used.ru_stime, 'peak_mb': used.ru_maxrss / 1e3}), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    print(done.stdout)
    used: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return used


def figures(good: np.ndarray, bad: np.ndarray, threshold: float) -> str:
    right = ((good >= 0.5).sum() + (bad < 0.5).sum()) / (len(good) + len(bad))
    shares = f"threshold {threshold:g} keeps {(good >= threshold).mean():.2%} of good, {(bad >= threshold).mean():.2%} of bad"
    return f"accuracy at 0.5 {right:.2%}, AUC {auc(good, bad):.5f}; {shares}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=Path, required=True)
    parser.add_argument("--bad", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--examples", type=int, help="train on so many documents of each side only")
    parser.add_argument("--json", type=Path)
    options, extra = parser.parse_known_args()
    (good, good_held), (bad, bad_held) = split(options.good), split(options.bad)
    if options.examples:
        good, bad = (sorted(side, key=order)[: options.examples] for side in (good, bad))
    held = good_held + bad_held
    sizes = f"{len(good):,} good and {len(bad):,} bad to train on, {len(good_held):,} and {len(bad_held):,} held out"
    print(f"documents of {sum(map(len, held)) / len(held):,.0f} characters: {sizes}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, texts in (("good", good), ("bad", bad), ("good_held", good_held), ("bad_held", bad_held)):
            write(folder / f"{file}.jsonl", texts)
        used = train(folder, extra)
        classifier = open_classifier(folder / "classifier")
        threshold = json.loads((folder / "classifier/classifier.json").read_text())["threshold"]
        spans = []
        for _ in range(REPEATS):
            start_s = time.process_time()
            parts = [classifier.scores(held[start : start + BATCH]) for start in range(0, len(held), BATCH)]
            spans.append(time.process_time() - start_s)
        scores = np.concatenate(parts)
        found = {**used, "ms_a_document": min(spans) / len(held) * 1e3}
        print(f"groundup: {figures(scores[: len(good_held)], scores[len(good_held) :], threshold)}")
        print(f"  training {used['cpu_s']:.1f} CPU s, {used['peak_mb']:.0f} MB; {found['ms_a_document']:.4f} ms a document")
        if options.peers:
            python = options.peers / "sklearn/bin/python"
            done = subprocess.run([python, PEER, folder], check=True, capture_output=True, text=True)
            peer = json.loads(done.stdout)
            print(f"scikit-learn: {figures(np.array(peer['good']), np.array(peer['bad']), peer['threshold'])}")
            print(f"  training {peer['cpu_s']:.1f} CPU s, {peer['peak_mb']:.0f} MB; {peer['ms_a_document']:.4f} ms a document")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
