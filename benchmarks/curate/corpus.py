"""Make a corpus in which it is known of each document what is wrong with it.

    python benchmarks/curate/corpus.py DIR --text FOLDER... --megabytes 100 [--seed 0]

Clean prose is cut from the user's own text (.txt, .md, .jsonl) and, when that runs out, recombined from its words; the rest is
made of it: copies, near-duplicates of measured similarity, quotations, low quality, foreign words, personal data, documents that
hold items of a benchmark. No two documents share runs of words but by plan. Writes

    DIR/corpus/*.jsonl[.gz]   id, text: eight files of uneven size, the first with two fifths of all
    DIR/truth.jsonl           id, kind, twin, jaccard, containment, how, breaks, language, origin, values, item, bytes
    DIR/items.jsonl           the benchmark's items: id, question, answer
    DIR/about.json            seed, counts of kinds, bytes, SHA-256 of truth.jsonl

The same arguments and the same text give the same bytes. Held-out documents of leaks have ids that `groundup curate` holds out with
--seed 0 and the share below; all other ids are random too, so that an id tells nothing of its document.
"""

import argparse
import gzip
import hashlib
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from identities import Value, plant
from low_quality import LOW_QUALITY
from near import near_duplicate, quotation
from prose import Prose
from shingles import containment, jaccard, shingles

from groundup.curate.split import choose_validation

NUM_FILES = 8
BIG_FILE_SHARE = 0.4
HELD_OUT_SHARE = 0.01
HELD_OUT_SEED = 0
NUM_ITEMS = 400
NUM_HEADERS = 20
WINDOW_DOCUMENTS = 20_000
"""Documents made together come out at random places of a window of so many."""
JACCARD = (0.25, 0.95)
SHARES = {
    "exact_copy": 0.07,
    "respaced_copy": 0.02,
    "near_duplicate": 0.12,
    "header_added": 0.015,
    "quotation": 0.01,
    "low_quality": 0.13,
    "foreign": 0.07,
    "personal": 0.04,
    "contaminated": 0.01,
}
"""How many documents of a kind are made for each clean one."""
LANGUAGES: dict[str, list[str]] = {
    code: words.split()
    for code, words in json.loads(Path(__file__).with_name("languages.json").read_text(encoding="utf-8")).items()
}


@dataclass
class Planted:
    """A document with the truth about it; `twin` is the document that it was made from."""

    id: str
    text: str
    kind: str
    twin: str | None = None
    jaccard: float | None = None
    containment: float | None = None
    how: str | None = None
    breaks: tuple[str, ...] = ()
    language: str = "en"
    origin: str = ""
    values: list[Value] = field(default_factory=list)
    item: str | None = None

    def truth(self) -> dict[str, object]:
        """Return all but the text."""
        row = {**asdict(self), "values": [value._asdict() for value in self.values], "bytes": len(self.text.encode())}
        del row["text"]
        return row


class Planter:
    """Makes documents of every kind."""

    def __init__(self, prose: Prose, seed: int) -> None:
        self._prose = prose
        self._rng = np.random.default_rng([seed, 1])
        self._headers = [" ".join(prose.sentence(12) for _ in range(2)) for _ in range(NUM_HEADERS)]
        self._held_out: list[str] = []
        self.items = [
            {"id": f"item-{number}", "question": prose.sentence(int(self._rng.integers(25, 50))), "answer": prose.sentence(8)}
            for number in range(NUM_ITEMS)
        ]

    def documents(self) -> Iterator[Planted]:
        """Yield documents without end: a clean one, then what is made of it and beside it."""
        while True:
            chosen = {kind for kind, share in SHARES.items() if self._rng.random() < share}
            text, origin = self._prose.document()
            document_id = self._held_out_id() if "quotation" in chosen else self._new_id()
            yield Planted(document_id, text, "clean", origin=origin)
            for kind in SHARES:
                if kind in chosen:
                    yield from self._of_kind(kind, document_id, text)

    def _of_kind(self, kind: str, twin: str, text: str) -> Iterator[Planted]:
        copies = {
            "exact_copy": self._exact_copies,
            "respaced_copy": self._respaced_copy,
            "near_duplicate": self._near_duplicate,
            "header_added": self._header_added,
            "quotation": self._quotation,
        }
        others = {
            "low_quality": self._low_quality,
            "foreign": self._foreign,
            "personal": self._personal,
            "contaminated": self._contaminated,
        }
        if kind in copies:
            yield from copies[kind](twin, text)
        else:
            yield others[kind]()

    def _exact_copies(self, twin: str, text: str) -> Iterator[Planted]:
        for _ in range(int(self._rng.choice([1, 1, 1, 2, 4]))):
            yield Planted(self._new_id(), text, "exact_copy", twin, 1.0, 1.0)

    def _respaced_copy(self, twin: str, text: str) -> Iterator[Planted]:
        how = str(self._rng.choice(["upper case", "double spaces", "rewrapped"]))
        change: Callable[[], str] = {
            "upper case": text.upper,
            "double spaces": lambda: text.replace(" ", "  "),
            "rewrapped": lambda: "\n\n".join(
                textwrap.fill(part, 100, break_long_words=False, break_on_hyphens=False) for part in text.split("\n\n")
            ),
        }[how]
        yield Planted(self._new_id(), change(), "respaced_copy", twin, 1.0, 1.0, how)

    def _near_duplicate(self, twin: str, text: str) -> Iterator[Planted]:
        changed, found, how = near_duplicate(text, self._rng.uniform(*JACCARD), self._rng, self._prose)
        yield Planted(self._new_id(), changed, "near_duplicate", twin, found, how=how)

    def _header_added(self, twin: str, text: str) -> Iterator[Planted]:
        changed = f"{self._rng.choice(self._headers)}\n\n{text}"
        one, other = shingles(text), shingles(changed)
        yield Planted(self._new_id(), changed, "header_added", twin, jaccard(one, other), containment(one, other))

    def _quotation(self, twin: str, text: str) -> Iterator[Planted]:
        changed, similarity, contained = quotation(text, self._rng, self._prose)
        yield Planted(self._new_id(), changed, "quotation", twin, similarity, contained)

    def _low_quality(self) -> Planted:
        how = str(self._rng.choice(list(LOW_QUALITY)))
        make, breaks = LOW_QUALITY[how]
        return Planted(self._new_id(), make(self._prose, self._rng), "low_quality", how=how, breaks=breaks)

    def _foreign(self) -> Planted:
        language = str(self._rng.choice(list(LANGUAGES)))
        lengths = self._rng.integers(8, 20, int(self._rng.integers(10, 22)))
        sentences = [" ".join(self._rng.choice(LANGUAGES[language], length)).capitalize() + "." for length in lengths]
        return Planted(self._new_id(), " ".join(sentences), "foreign", language=language)

    def _personal(self) -> Planted:
        sentences, values = plant(self._rng, int(self._rng.integers(1, 5)))
        between = [" ".join(self._prose.sentence() for _ in range(4)) for _ in range(len(sentences) + 1)]
        text = "\n\n".join(f"{part} {sentence}" for part, sentence in zip(between, [*sentences, ""], strict=True)).strip()
        return Planted(self._new_id(), text, "personal", values=values)

    def _contaminated(self) -> Planted:
        """Hold an item as it is, in other case and marks, a run of 16 of its words, or (nothing to find) one of 8."""
        item = self.items[int(self._rng.integers(len(self.items)))]
        whole = f"{item['question']} {item['answer']}"
        words = item["question"].split()
        how = str(self._rng.choice(["verbatim", "other marks", "run of 16", "run of 8"]))
        inside = {
            "verbatim": whole,
            "other marks": whole.upper().replace(".", " !"),
            "run of 16": f"{' '.join(words[4:20])} {self._prose.sentence(9)}",
            "run of 8": f"{' '.join(words[4:12])} {self._prose.sentence(9)}",
        }[how]
        text = (
            f"{self._prose.fresh(int(self._rng.integers(60, 150)))} {inside} {self._prose.fresh(int(self._rng.integers(60, 150)))}"
        )
        return Planted(self._new_id(), text, "contaminated", how=how, item=item["id"])

    def _new_id(self) -> str:
        return self._rng.bytes(8).hex()

    def _held_out_id(self) -> str:
        while not self._held_out:
            self._held_out = sorted(choose_validation([self._new_id() for _ in range(2_000)], HELD_OUT_SEED, HELD_OUT_SHARE))
        return self._held_out.pop()


class Files:
    """The corpus on disk: rows go to files at random, so that twins seldom lie in one."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True)
        self._rng = np.random.default_rng([seed, 2])
        shares = self._rng.dirichlet(np.full(NUM_FILES - 1, 2.0)) * (1 - BIG_FILE_SHARE)
        self._ends = np.cumsum([BIG_FILE_SHARE, *shares])
        self._files = [self._open(folder, number) for number in range(NUM_FILES)]
        self._window: list[Planted] = []
        self.truth = (folder.parent / "truth.jsonl").open("w", encoding="utf-8")
        self.counts: Counter[str] = Counter()
        self.num_bytes = 0

    def _open(self, folder: Path, number: int) -> io.TextIOWrapper:
        if number % 2 == 0:
            return (folder / f"part-{number}.jsonl").open("w", encoding="utf-8")
        raw = gzip.GzipFile(folder / f"part-{number}.jsonl.gz", "wb", compresslevel=6, mtime=0)
        return io.TextIOWrapper(raw, encoding="utf-8")

    def add(self, planted: Planted) -> None:
        """Note the document; one of the window is written."""
        self.num_bytes += len(planted.text.encode())
        self.counts[planted.kind] += 1
        self._window.append(planted)
        if len(self._window) > WINDOW_DOCUMENTS:
            place = int(self._rng.integers(len(self._window)))
            self._window[place], self._window[-1] = self._window[-1], self._window[place]
            self._write(self._window.pop())

    def close(self) -> None:
        """Write what is left of the window."""
        for place in self._rng.permutation(len(self._window)):
            self._write(self._window[place])
        for file in (*self._files, self.truth):
            file.close()

    def _write(self, planted: Planted) -> None:
        file = self._files[min(int(np.searchsorted(self._ends, self._rng.random())), NUM_FILES - 1)]
        file.write(json.dumps({"id": planted.id, "text": planted.text}, ensure_ascii=False) + "\n")
        self.truth.write(json.dumps(planted.truth(), ensure_ascii=False) + "\n")


def make_corpus(out: Path, folders: list[Path], megabytes: float, seed: int) -> dict[str, object]:
    """Write the corpus into `out`, which must not exist, and return what about.json says."""
    prose = Prose(folders, seed, int(megabytes * 1e6))
    files = Files(out / "corpus", seed)
    planter = Planter(prose, seed)
    for planted in planter.documents():
        files.add(planted)
        if files.num_bytes >= megabytes * 1e6:
            break
    files.close()
    (out / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in planter.items), encoding="utf-8")
    about = {
        "seed": seed,
        "text": [folder.name for folder in folders],
        "documents": sum(files.counts.values()),
        "bytes": files.num_bytes,
        "kinds": dict(sorted(files.counts.items())),
        "clean_local": prose.num_local,
        "clean_recombined": prose.num_recombined,
        "truth_sha256": hashlib.sha256((out / "truth.jsonl").read_bytes()).hexdigest(),
    }
    (out / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="DIR")
    parser.add_argument("--text", type=Path, nargs="+", required=True, metavar="FOLDER")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.out.exists():
        raise SystemExit(f"{given.out} exists; choose another folder")
    print(json.dumps(make_corpus(given.out, given.text, given.megabytes, given.seed), indent=2))


if __name__ == "__main__":
    main()
