"""Train and encode with each kind of tokenizer beside the libraries that people use, each in a process of its own.

    python benchmarks/tokenizer_speed.py DIR --text FOLDER... [--megabytes 20] [--slow] [--sample-megabytes 1000]

Text files (.md, .txt) under the folders; the last tenth of their text is held out, and 6 MB of it are encoded, in pieces of 1,500
characters. Prints CPU seconds of the training alone, peak memory of the process (about a fifth of it is Python and the text), and
bytes a token on held-out text; then megabytes encoded in a CPU second, the first time and when the words are known; then the whole
command on documents in Parquet, and on more of them the memory that a bounded sample takes. `--slow` adds the Unigram trainer of
the library tokenizers (minutes).
"""

import argparse
import io
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import rustbpe
import sentencepiece
import tiktoken
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA, SPLIT_FOLDERS, Documents, Split
from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.special_tokens import EOS_TOKEN, UNK_TOKEN, SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.curate.passes.tables import ParquetTable
from groundup.tokenizer.bpe import train_slowly
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.trainers import TRAINERS
from groundup.tokenizer.words import WORD

PIECE_CHARS: Final = 1500
GROUP_ROWS: Final = 512
HELD_OUT_BYTES: Final = 6_000_000
Encode = Callable[[list[str]], Any]


class Size(Config):
    """How much text."""

    megabytes: int


def ours(algorithm: Any) -> Callable[[list[str], int], list[tuple[str, Encode]]]:
    def train(texts: list[str], vocab_size: int) -> list[tuple[str, Encode]]:
        special = (EOS_TOKEN,) if algorithm == "bpe" else (EOS_TOKEN, UNK_TOKEN)
        engine = TRAINERS[algorithm](texts, vocab_size, special, Preparation()).engine
        names = SpecialNames(unk=None if algorithm == "bpe" else UNK_TOKEN)

        def fast(pieces: list[str]) -> Any:
            return encoder.encode_batch(pieces)

        encoder = FastEncoder.of(TextTokenizer(engine, names, algorithm))
        return [(f"FastEncoder ({encoder.name})", fast), ("tokenizers", engine_encoder(engine))]

    return train


def engine_encoder(engine: Any) -> Encode:
    return lambda pieces: [found.ids for found in engine.encode_batch_fast(pieces, add_special_tokens=False)]


def slow_bpe(texts: list[str], vocab_size: int) -> list[tuple[str, Encode]]:
    return [("tokenizers", engine_encoder(train_slowly(texts, vocab_size, (EOS_TOKEN,)).engine))]


def slow_unigram(texts: list[str], vocab_size: int) -> list[tuple[str, Encode]]:
    engine: Any = Tokenizer(models.Unigram())
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=vocab_size, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    engine.train_from_iterator(texts, trainer)
    return [("tokenizers", engine_encoder(engine))]


def rust_bpe(texts: list[str], vocab_size: int) -> list[tuple[str, Encode]]:
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(iter(texts), vocab_size, pattern=WORD)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    encoding = tiktoken.Encoding("peer", pat_str=WORD, mergeable_ranks=ranks, special_tokens={})
    return [
        ("tiktoken", lambda pieces: [encoding.encode_ordinary(piece) for piece in pieces]),
        ("rustbpe", lambda pieces: [trainer.encode(piece) for piece in pieces]),
    ]


def pieces_of(kind: str) -> Callable[[list[str], int], list[tuple[str, Encode]]]:
    def train(texts: list[str], vocab_size: int) -> list[tuple[str, Encode]]:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts for line in text.split("\n")),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=kind,
            byte_fallback=True,
            num_threads=2,
            minloglevel=2,
        )
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        return [("sentencepiece", lambda pieces: [processor.encode(piece) for piece in pieces])]

    return train


TRAINED: Final[dict[str, Callable[[list[str], int], list[tuple[str, Encode]]]]] = {
    "groundup bpe": ours("bpe"),
    "rustbpe": rust_bpe,
    "tokenizers byte-level BPE": slow_bpe,
    "sentencepiece BPE": pieces_of("bpe"),
    "groundup wordpiece (tokenizers)": ours("wordpiece"),
    "groundup unigram": ours("unigram"),
    "sentencepiece Unigram": pieces_of("unigram"),
}
SLOW: Final = {"tokenizers Unigram": slow_unigram}


def main() -> None:
    """Measure each in its own process, and print."""
    arguments = _arguments()
    if arguments.job:
        print(json.dumps(_job(arguments)))
        return
    print("training | CPU s | wall s | peak MB | bytes / token || encoding | MB / CPU s first | then")
    for name in [*TRAINED, *(SLOW if arguments.slow else [])]:
        found = _own_process(arguments, name)
        row = f"{name} | {found['cpu_s']:.1f} | {found['wall_s']:.1f} | {found['peak_mb']:.0f} | {found['bytes_per_token']:.3f}"
        speeds = (f"{way} | {first:.1f} | {then:.1f}" for way, first, then in found["speeds"])
        print(f"{row} || {' || '.join(speeds)}", flush=True)
    _whole_command(arguments, arguments.megabytes)
    if arguments.sample_megabytes:
        _whole_command(arguments, arguments.sample_megabytes)


def _own_process(arguments: argparse.Namespace, name: str) -> Any:
    command = [sys.executable, __file__, *sys.argv[1:], "--job", name]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def _job(arguments: argparse.Namespace) -> dict[str, Any]:
    train, held_out = _split(arguments.text, arguments.megabytes)
    size = sum(len(piece.encode()) for piece in held_out)
    start_s, wall_s = time.process_time(), time.monotonic()
    ways = {**TRAINED, **SLOW}[arguments.job](train, arguments.vocab_size)
    elapsed_s, wall_s = time.process_time() - start_s, time.monotonic() - wall_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    speeds, num_tokens = [], 0
    for way, encode in ways:
        times = []
        for _ in range(2):
            start_s = time.process_time()
            encoded = encode(held_out)
            times.append(size / 1e6 / (time.process_time() - start_s))
        num_tokens = num_tokens or sum(map(len, encoded))
        speeds.append((way, *times))
    return {
        "cpu_s": elapsed_s,
        "wall_s": wall_s,
        "peak_mb": peak / 1e6,
        "bytes_per_token": size / num_tokens,
        "speeds": speeds,
    }


def _split(folders: Sequence[Path], megabytes: int) -> tuple[list[str], list[str]]:
    """Return texts to train on, and pieces of held-out text."""
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in (".md", ".txt"))
    pieces = [
        text[at : at + PIECE_CHARS] for text in (file.read_text() for file in files) for at in range(0, len(text), PIECE_CHARS)
    ]
    kept = len(pieces) - len(pieces) // 10
    return _first(pieces[:kept], megabytes * 1_000_000), _first(pieces[kept:], HELD_OUT_BYTES)


def _first(pieces: Sequence[str], num_bytes: int) -> list[str]:
    sizes = itertools.accumulate(len(piece.encode()) for piece in pieces)
    return [piece for piece, size in zip(pieces, sizes, strict=True) if size <= num_bytes]


def _whole_command(arguments: argparse.Namespace, megabytes: int) -> None:
    """Print what `groundup tokenizer train` takes from start to end, on documents of so many megabytes."""
    documents = _documents(arguments.folder / f"documents-{megabytes}", arguments, megabytes)
    out = arguments.folder / "tokenizer"
    command = [
        "tokenizer",
        "train",
        "--input",
        documents.path,
        "--vocab-size",
        arguments.vocab_size,
        "--out",
        out,
        "--force",
        "--quiet",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "import resource, sys\nfrom groundup.cli import main\nsys.argv[0] = 'groundup'\ntry:\n    main()\nfinally:\n"
    code += "    sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))"
    done = subprocess.run([sys.executable, "-c", code, *map(str, command)], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(done.stderr.split()[-1]) * 1024 / 1e6
    print(f"the whole command, bpe, {megabytes} MB of documents: {cpu_s:.1f} CPU s, peak {peak:.0f} MB", flush=True)


def _documents(out: Path, arguments: argparse.Namespace, megabytes: int) -> Documents:
    train, held_out = _split(arguments.text, arguments.megabytes)

    def rows(texts: Iterator[str], num_bytes: int) -> Iterator[tuple[str, str]]:
        total = 0
        for number, text in enumerate(texts):
            yield f"text/{number}", text
            total += len(text.encode())
            if total >= num_bytes:
                return

    def write(config: Size, job: Job) -> Outcome:
        parts: tuple[tuple[Split, Iterator[str], int], ...] = (
            ("train", itertools.cycle(train), config.megabytes * 1_000_000),
            ("validation", iter(held_out), 1_000_000),
        )
        for split, texts, num_bytes in parts:
            (job.out / SPLIT_FOLDERS[split]).mkdir()
            with ParquetTable(job.out / SPLIT_FOLDERS[split] / "part-00000.parquet", DOCUMENT_SCHEMA) as table:
                for number, (name, text) in enumerate(rows(texts, num_bytes), start=1):
                    size = len(text.encode())
                    table.add((name, text, "text", None, None, size, size // 4, "{}"))
                    if number % GROUP_ROWS == 0:
                        table.flush()
        write_json(job.out / "sources.json", [{"name": "text", "weight": 1.0}])
        return Outcome({})

    make(Order("curate", Documents.kind, out, Size(megabytes=megabytes), 0), write, replace=False)
    return Documents.open(out)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--vocab-size", type=int, default=16_384)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--sample-megabytes", type=int, default=0)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
