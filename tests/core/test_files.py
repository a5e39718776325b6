import errno
import json
import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ArtifactError, StorageError
from groundup.core.files import canonical_json, explain_os_error, hash_file, hash_json, locked, read_object, write_json, write_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_canonical_json_reads_back(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


def test_hash_ignores_key_order() -> None:
    assert hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})


def test_write_leaves_no_partial_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    write_text(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="check the path"):
        write_text(tmp_path / "no" / "a.txt", "x")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO])
def test_every_os_error_names_place_and_way_out(code: int) -> None:
    message = explain_os_error(OSError(code, "what happened", "/some/file"))
    assert message.startswith("/some/file: what happened; ")
    assert len(message.split("; ")[1]) > 10


def _hold(folder: str, ready: "multiprocessing.Queue[bool]", leave: "multiprocessing.Queue[bool]") -> None:
    with locked(Path(folder)):
        ready.put(True)
        leave.get()


def test_lock_refuses_a_second_process_and_ends_with_the_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    ready, leave = context.Queue(), context.Queue()
    process = context.Process(target=_hold, args=(str(tmp_path), ready, leave))
    process.start()
    ready.get(timeout=60)
    with pytest.raises(ArtifactError, match="another groundup process"), locked(tmp_path):
        pass
    process.kill()
    process.join()
    with locked(tmp_path):
        pass


def test_hash_file_equals_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    expected = subprocess.run(["openssl", "sha256", "-r", str(tmp_path / "a")], capture_output=True, text=True, check=False).stdout[
        :64
    ]
    assert hash_file(tmp_path / "a") == (expected or "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")


def test_a_failed_replacement_leaves_no_partial_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError):
        write_text(tmp_path / "a", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_locked_is_not_called_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StorageError, match="cannot be locked"), locked(tmp_path):
        pass


@given(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_an_object_or_a_clear_error(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "facts.json")
        file.write_bytes(raw)
        try:
            assert isinstance(read_object(file), dict)
        except ArtifactError as error:
            assert "facts.json" in str(error)


def test_a_short_write_of_numpy_is_a_full_disk() -> None:
    assert "free some space" in explain_os_error(OSError("65536 requested and 65408 written"), Path("/some/array.npy"))
