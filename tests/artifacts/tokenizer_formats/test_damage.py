"""Damaged and foolish files are refused with the file, the line and the way out."""

import base64
import json
import random
from pathlib import Path

import pytest
from sentencepiece import sentencepiece_model_pb2 as protobuf

from groundup.artifacts.tokenizer_formats import read_tokenizer
from groundup.core.errors import ArtifactError, GroundupError

BYTES = "".join(f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256))
MERGES = "#version: 0.2\na b\n"
VOCABULARY = json.dumps({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})


def piece_file(model_type: int = 1, num_unknown: int = 1, twice: bool = False, charsmap: bytes = b"") -> bytes:
    model = protobuf.ModelProto()
    names = ["<s>", "</s>", "a", "a" if twice else "b"]
    for name in names:
        model.pieces.add(piece=name, score=-1.0, type=3 if name.startswith("<") else 1)
    for number in range(num_unknown):
        model.pieces.add(piece=f"<unk{number or ''}>", score=0.0, type=2)
    model.trainer_spec.model_type = model_type
    model.normalizer_spec.precompiled_charsmap = charsmap
    return bytes(model.SerializeToString())


CASES = {
    "not json": ({"tokenizer.json": "{"}, r"tokenizer\.json"),
    "not a tokenizer": ({"tokenizer.json": "{}"}, r"tokenizer\.json"),
    "no merges": ({"vocab.json": VOCABULARY}, r"merges\.txt: missing"),
    "merge of one": ({"vocab.json": VOCABULARY, "merges.txt": "#version: 0.2\na b\nab\n"}, r"merges\.txt:3: not two pieces"),
    "merge of nothing known": ({"vocab.json": VOCABULARY, "merges.txt": "a b\na c\n"}, r"merges\.txt:2: 'c' is not in"),
    "ids of words": ({"vocab.json": '{"a": "b"}', "merges.txt": MERGES}, r"vocab\.json: token 'a' has id b"),
    "id shared": ({"vocab.json": '{"a": 1, "b": 1}', "merges.txt": MERGES}, r"vocab\.json: tokens 'a' and 'b' share id 1"),
    "huge id": ({"vocab.json": '{"a": 99999999999}', "merges.txt": MERGES}, r"vocab\.json: token 'a' has id 99999999999"),
    "list": ({"vocab.json": "[1]", "merges.txt": MERGES}, r"vocab\.json: should be a JSON object"),
    "deep": ({"vocab.json": "[" * 100_000, "merges.txt": MERGES}, r"vocab\.json: not valid JSON"),
    "line twice": ({"vocab.txt": "[UNK]\na\na\n"}, r"vocab\.txt:3: token 'a' stands in line 2"),
    "no unknown": ({"vocab.txt": "a\nb\n"}, r"vocab\.txt: has no token '\[UNK\]'"),
    "empty": ({"vocab.txt": ""}, r"vocab\.txt: holds 0 bytes"),
    "not text": ({"vocab.txt": b"[UNK]\n\xff\xfe"}, r"vocab\.txt: not UTF-8"),
    "no rank": ({"gpt2.tiktoken": BYTES + "!!\n"}, r"gpt2\.tiktoken:257: should be a token in base64"),
    "rank of letters": ({"gpt2.tiktoken": "YQ== x\n"}, r"gpt2\.tiktoken:1: "),
    "rank twice": ({"gpt2.tiktoken": BYTES + "YWI= 3\n"}, r"gpt2\.tiktoken:257: token or rank stands there twice"),
    "byte missing": ({"gpt2.tiktoken": "YQ== 0\n"}, r"byte 0x00 has no rank"),
    "rank of a special token": ({"gpt2.tiktoken": BYTES + "YWI= 50256\n"}, r"rank 50256 is the id of '<\|endoftext\|>'"),
    "ranks of no encoding": ({"mine.tiktoken": BYTES}, r"256 ranks.*cl100k_base"),
    "no model": ({"spiece.model": b"\x0a\x05hello world, not a model"}, r"spiece\.model"),
    "model of words": ({"spiece.model": piece_file(model_type=3)}, r"spiece\.model: cuts text into words"),
    "two unknowns": ({"spiece.model": piece_file(num_unknown=2)}, r"spiece\.model: 2 pieces stand for the unknown"),
    "no unknown piece": ({"spiece.model": piece_file(num_unknown=0)}, r"spiece\.model: 0 pieces stand for the unknown"),
    "piece twice": ({"spiece.model": piece_file(twice=True)}, r"spiece\.model: 5 pieces, 4 of them different"),
    "bad table of characters": ({"spiece.model": piece_file(charsmap=b"\x01")}, r"spiece\.model: its table of characters"),
    "numbers of its own": (
        {"spiece.model": piece_file(), "config.json": '{"model_type": "xlm-roberta"}'},
        r"spiece\.model: .*xlm-roberta.*tokenizer\.json",
    ),
    "two models": ({"a.model": piece_file(), "b.model": piece_file()}, r"a\.model and b\.model; name the file"),
    "nothing": ({"README.md": "hello"}, r"holds no tokenizer"),
    "bad neighbour": ({"vocab.txt": "[UNK]\n", "tokenizer_config.json": "nonsense"}, r"tokenizer_config\.json: not valid JSON"),
}


@pytest.mark.parametrize("case", CASES)
def test_damage_is_named(case: str, tmp_path: Path) -> None:
    files, message = CASES[case]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(ArtifactError, match=message):
        read_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.json", "picture.png"])
def test_a_path_without_a_tokenizer_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=name):
        read_tokenizer(tmp_path / name)


def test_a_sound_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(piece_file())
    engine, names = read_tokenizer(tmp_path / "spiece.model")
    assert names.before == ("<s>",)
    assert engine.get_vocab_size() == 5


def test_a_model_with_any_bytes_changed_is_read_or_refused(tmp_path: Path) -> None:
    """Nothing but our own errors leaves the reader."""
    choose = random.Random(0)
    sound = piece_file()
    file = tmp_path / "spiece.model"
    for _ in range(300):
        damaged = bytearray(sound[: choose.randrange(1, len(sound) + 1)])
        for _ in range(choose.randrange(3)):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        file.write_bytes(bytes(damaged))
        try:
            read_tokenizer(file)
        except GroundupError as error:
            assert "spiece.model" in str(error)
