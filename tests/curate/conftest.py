import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from groundup.artifacts.build import Order, make
from groundup.artifacts.documents import Documents
from groundup.core.config import Config
from groundup.curate.run import run, source_hashes

WORDS = ["time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state", "family"]


@pytest.fixture
def prose():
    """Make text that keeps all rules, different for each number."""
    return make_prose


def make_prose(number: int, num_words: int = 120) -> str:
    words = []
    for position in range(num_words):
        mixed = (number * 7919 + position * position * 31 + position * (number % 97 + 3)) % 9973
        words.append(("the", "and", "of")[mixed % 3] if position % 9 == 0 else f"{WORDS[mixed % len(WORDS)]}{mixed % 61}x{number}")
    return " ".join(words)


@pytest.fixture
def write_jsonl(tmp_path: Path):
    def write(records: list, name: str = "in/corpus.jsonl") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


@pytest.fixture
def curate(tmp_path: Path):
    """Curate with the given settings; return the artifact."""

    def build(config: Config, name: str = "out", seed: int = 0) -> Documents:
        order = Order("curate", "documents", tmp_path / name, config, seed, sources=source_hashes(config))
        make(order, run, replace=False)
        return Documents.open(tmp_path / name)

    return build


@pytest.fixture
def rows():
    def read(artifact: Documents, table: str) -> list[dict]:
        return pq.read_table(artifact.path / table).to_pylist()

    return read
