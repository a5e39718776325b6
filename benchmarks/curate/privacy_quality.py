"""Score redaction on planted values, and time it on prose, beside other tools.

    python benchmarks/curate/privacy_quality.py --tool groundup|presidio|datatrove [--planted FILE.jsonl ...] [--text PATH ...]

Files of planted values are those of planted_privacy.py. Printed for each kind: the share of values that are not in the text any
more, and of which nothing but the value was replaced, by its kind; the writings below 97 %; and the share of decoys that were
changed. With --text, CPU seconds over documents of 1.5 kB cut from the files, and for groundup over hostile texts of a megabyte.
`presidio` has its own recognizers on a blank pipeline; `datatrove` needs an environment of its own (pip install datatrove orjson).
"""

import argparse
import importlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Redact = Callable[[str], str]
ASKED = 0.97
DOCUMENT_CHARS = 1500
MEGABYTE = 1_000_000
HOSTILE = (
    "1",
    "a@a@",
    ".",
    ":",
    "1.",
    "1 ",
    "1-",
    "a@b.",
    "+1",
    "(1",
    "4111 ",
    "sk-",
    "-----BEGIN PRIVATE KEY-----",
    "A1:",
    "=a",
    "token=",
    "00",
    "x" * 50 + "@",
)


def groundup_tool() -> Redact:
    redactor = importlib.import_module("groundup.curate.privacy.redactor")
    config = importlib.import_module("groundup.curate.privacy.config")
    redact = redactor.Redactor(config.RedactConfig()).redact
    return lambda text: str(redact(text)[0])


def presidio_tool() -> Redact:
    """Return Presidio's own pattern recognizers, each entity replaced by its name."""
    presidio, spacy = importlib.import_module("presidio_analyzer"), importlib.import_module("spacy")
    provider = importlib.import_module("presidio_analyzer.nlp_engine")
    engine = provider.SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "en_core_web_sm"}])
    engine.nlp = {"en": spacy.blank("en")}
    registry = presidio.RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    kept = ("Email", "Phone", "Ip", "CreditCard", "Iban", "UsSsn", "Mac")
    registry.recognizers = [one for one in registry.recognizers if one.name.startswith(kept)]
    analyzer = presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def redact(text: str) -> str:
        finds = sorted(analyzer.analyze(text, language="en"), key=lambda find: (-find.end, find.start))
        before = len(text)
        for find in finds:
            if find.end <= before:
                text, before = f"{text[: find.start]}<{find.entity_type}>{text[find.end :]}", find.start
        return text

    return redact


def datatrove_tool() -> Redact:
    formatter = importlib.import_module("datatrove.pipeline.formatters.pii").PIIFormatter()
    return lambda text: str(formatter.format(text))


TOOLS: dict[str, Callable[[], Redact]] = {"groundup": groundup_tool, "presidio": presidio_tool, "datatrove": datatrove_tool}


def score(redact: Redact, file: Path) -> None:
    """Print recall by kind, the weak writings and the decoys that were hit."""
    number: Counter[tuple[str, str, bool]] = Counter()
    gone: Counter[tuple[str, str, bool]] = Counter()
    exact: Counter[str] = Counter()
    for line in file.open(encoding="utf-8"):
        row: dict[str, Any] = json.loads(line)
        key = (row["kind"], row["writing"], row["decoy"])
        clean = redact(row["text"])
        number[key] += 1
        gone[key] += clean != row["text"] if row["decoy"] else row["value"] not in clean
        exact[row["kind"]] += clean == row["text"].replace(row["value"], f"<{row['kind'].upper()}>")
    print(f"\n{file.name}: kind | values | gone | replaced alone, by its kind")
    for kind in dict.fromkeys(kind for kind, _, decoy in number if not decoy):
        rows = [key for key in number if key[0] == kind and not key[2]]
        total = sum(number[key] for key in rows)
        print(f"  {kind} | {total} | {sum(gone[key] for key in rows) / total:.3f} | {exact[kind] / total:.3f}")
        for key in rows:
            if gone[key] < ASKED * number[key]:
                print(f"      {key[1]}: {gone[key] / number[key]:.3f}")
    print("  decoy | number | changed")
    for key in [key for key in number if key[2]]:
        print(f"  {key[0]} | {number[key]} | {gone[key] / number[key]:.3f}")


def documents(paths: list[Path]) -> Iterator[str]:
    """Yield pieces of 1.5 kB of the files, or of the answers in lines of JSON."""
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".jsonl":
            text = "\n\n".join(str(json.loads(line).get("answer", "")) for line in text.splitlines())
        yield from (text[at : at + DOCUMENT_CHARS] for at in range(0, len(text), DOCUMENT_CHARS))


def cpu_seconds(redact: Redact, texts: list[str], rounds: int) -> float:
    """Return the least CPU seconds of `rounds` passes over the texts."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        for text in texts:
            redact(text)
        taken.append(time.process_time() - start)
    return min(taken)


def speed(redact: Redact, paths: list[Path], megabytes: float, is_ours: bool) -> None:
    """Print megabytes for a CPU second over prose, and for hostile texts what prose's time is to theirs."""
    texts: list[str] = []
    size = 0
    for text in documents(paths):
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * MEGABYTE:
            break
    taken = cpu_seconds(redact, texts, rounds=3)
    rate, each = size / MEGABYTE / taken, 1e6 * taken / len(texts)
    print(f"\nprose, {size / MEGABYTE:.1f} MB: {rate:.2f} MB for a CPU second, {each:.1f} us a document of {DOCUMENT_CHARS}")
    for unit in HOSTILE if is_ours else ():
        text = (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]
        once, twice = cpu_seconds(redact, [text], rounds=2), cpu_seconds(redact, [text * 2], rounds=2)
        print(
            f"  {unit[:12]!r} over and over: {1 / once:.1f} MB for a CPU second; twice of it takes {twice / once:.2f} times as long"
        )


def main() -> None:
    """Score and time one tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", choices=TOOLS, default="groundup")
    parser.add_argument("--planted", type=Path, nargs="*", default=[])
    parser.add_argument("--text", type=Path, nargs="*", default=[])
    parser.add_argument("--megabytes", type=float, default=25, help="of prose")
    arguments = parser.parse_args()
    redact = TOOLS[arguments.tool]()
    for file in arguments.planted:
        score(redact, file)
    if arguments.text:
        speed(redact, arguments.text, arguments.megabytes, arguments.tool == "groundup")


if __name__ == "__main__":
    main()
