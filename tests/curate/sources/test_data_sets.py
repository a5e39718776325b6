"""Data sets of Hugging Face: saved to disk as Arrow files, or streamed by name; here from folders, as tests have no network."""

import json
import socket
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arrow_files
from groundup.artifacts.documents import Document
from groundup.core.errors import ConfigError, DataError
from groundup.curate.config import SourceConfig
from groundup.curate.drops import Drop
from groundup.curate.sources.files import Files
from groundup.curate.sources.hub import Hub

datasets = pytest.importorskip("datasets")
BATCHES = st.lists(st.lists(st.none() | st.text(max_size=20), max_size=8), max_size=12)


def read(path: Path, part_bytes: int = 16 << 20) -> list[Document | Drop]:
    source = Files(SourceConfig(name="s", path=path), part_bytes)
    found = list(source.documents())
    scratch = path.parent / "scratch"
    assert [one for part in source.parts(scratch) for one in source.read_part(part, scratch)] == found
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(BATCHES, st.sampled_from([arrow_files.write_stream, arrow_files.write_file]), st.integers(1, 100))
def test_record_batches_in_parts_of_any_size(tmp_path_factory, batches, write, part_bytes):
    texts = [text for batch in batches for text in batch]
    found = read(write(tmp_path_factory.mktemp("case") / "a.arrow", batches), part_bytes)
    ids = [f"s:a.arrow:{number}" if "\0" in (text or "") else f"d{number}" for number, text in enumerate(texts)]
    assert [one.id for one in found] == ids
    kept = [one.text if isinstance(one, Document) else None for one in found]
    assert kept == [None if text is None or "\0" in text else text for text in texts]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(
    st.integers(0, 5000), st.integers(1, 255), st.booleans(), st.sampled_from([arrow_files.write_stream, arrow_files.write_file])
)
def test_damaged_files_are_documents_and_drops(tmp_path_factory, place, wrong, cut, write):
    """Whatever byte is wrong: the file is mapped into memory, where a wrong offset would end the process."""
    path = write(tmp_path_factory.mktemp("case") / "a.arrow", [["some words"] * 5, ["more"] * 5, ["text"] * 3])
    data = bytearray(path.read_bytes())
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= wrong
    path.write_bytes(bytes(data))
    found = read(path, 20)
    assert all(isinstance(one, Drop) or one.text.encode() is not None for one in found)


def test_a_saved_data_set_without_what_was_made_of_it(tmp_path):
    made = datasets.Dataset.from_dict({"text": [f"text {number}" for number in range(2500)], "url": ["u"] * 2500})
    made.select(range(2400, 0, -1)).save_to_disk(str(tmp_path / "saved"), num_shards=2)
    datasets.load_from_disk(str(tmp_path / "saved")).map(lambda row: {"text": row["text"].upper()})
    assert list((tmp_path / "saved").glob("cache-*.arrow"))
    found = read(tmp_path / "saved", 1)
    assert [one.text for one in found] == [f"text {number}" for number in range(2400, 0, -1)]
    assert (found[1200].url, json.loads(found[1200].meta)) == ("u", {"file": "data-00001-of-00002.arrow", "row": 0})


def test_arrow_without_a_column_of_text_is_one_drop(tmp_path):
    path = tmp_path / "a.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, pa.schema([("texts", pa.string())])) as writer:
        for _ in range(3):
            writer.write_batch(pa.record_batch({"texts": ["a"] * 10}))
    (drop,) = read(path, 1)
    assert (drop.rule, "did you mean 'texts'" in drop.excerpt) == ("no_text", path.name in drop.excerpt)


def write_shards(folder: Path) -> Path:
    folder.mkdir()
    for shard in range(3):
        rows = [{"text": f"text {shard} {row}" if row else None, "id": f"{shard}-{row}", "n": row} for row in range(40)]
        (folder / f"train-{shard}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_streaming_gives_the_rows_shard_by_shard(tmp_path):
    folder = write_shards(tmp_path / "set")
    source = Hub(SourceConfig(name="h", kind="hf", dataset=str(folder)), part_bytes=300)
    files = source.files()
    assert [file.name for file in files] == [f"set/train/0000{shard}-of-00003" for shard in range(3)]
    for file in reversed(files):  # as several workers would
        source.divide(file, tmp_path / "scratch")
    parts = source.parts(tmp_path / "scratch")
    found = [one for part in parts for one in source.read_part(part, tmp_path / "scratch")]
    assert len(parts) > 6
    assert [one.id for one in found] == [f"{shard}-{row}" for shard in range(3) for row in range(40)]
    assert [one.rule for one in found if isinstance(one, Drop)] == ["no_text"] * 3
    assert found[41].text == "text 1 1"
    assert json.loads(found[41].meta) == {"file": "set/train/00001-of-00003", "line": 2}
    again = Hub(SourceConfig(name="h", kind="hf", dataset=str(folder)), part_bytes=300)
    assert again.parts(tmp_path / "other") == parts
    assert again.fingerprint() == source.fingerprint()
    with (folder / "train-0.jsonl").open("a") as file:
        file.write('{"text": "one more"}\n')
    assert Hub(SourceConfig(name="h", kind="hf", dataset=str(folder))).fingerprint() != source.fingerprint()


def test_what_cannot_be_had_is_an_error_that_names_it(tmp_path, monkeypatch):
    folder = write_shards(tmp_path / "set")
    with pytest.raises(DataError, match=r"\(test\) cannot be read: Bad split"):
        Hub(SourceConfig(name="h", kind="hf", dataset=str(folder), split="test")).files()

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(DataError, match=r"data set nobody/nothing .*check name, subset, split and the connection"):
        Hub(SourceConfig(name="h", kind="hf", dataset="nobody/nothing")).fingerprint()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "hf"}, "say dataset: OWNER/NAME"),
        ({"kind": "hf", "dataset": "a/b", "path": "c"}, "take its path out"),
        ({"path": "c", "split": "train"}, "'split' has no effect"),
        ({"path": "c", "dataset": "a/b"}, "'dataset' has no effect"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        SourceConfig.parse({"name": "s", **settings}, "here")
