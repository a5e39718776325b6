"""Making artifacts: once, atomically, with hashes that say what they are."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import SMALL_FILE_BYTES, Job, Order, Outcome, is_made, make
from groundup.artifacts.manifest import MANIFEST, read_manifest
from groundup.artifacts.place import INCOMPLETE
from groundup.core.config import Config
from groundup.core.errors import ArtifactError


class Setting(Config):
    text: str = "x"


def run(config: Setting, job: Job) -> Outcome:
    (job.out / "data.txt").write_text(config.text)
    (job.out / "speed.json").write_text(json.dumps({"s": str(job.out)}))
    return Outcome({"letters": len(config.text)}, frozenset({"speed.json"}))


def order(out: Path, text: str = "x", **changes: object) -> Order:
    return Order(**{"stage": "curate", "kind": "documents", "out": out, "config": Setting(text=text), "seed": 0, **changes})  # type: ignore[arg-type]


def test_made_once_and_skipped_then(tmp_path: Path) -> None:
    assert make(order(tmp_path / "a"), run, replace=False)
    assert not make(order(tmp_path / "a"), run, replace=False)
    artifact = Artifact.open(tmp_path / "a")
    assert artifact.manifest.counts == {"letters": 1}
    assert artifact.damaged_files() == []


def test_content_hash_leaves_out_times_and_place(tmp_path: Path) -> None:
    for name in "ab":
        make(order(tmp_path / name), run, replace=False)
    make(order(tmp_path / "c", text="y"), run, replace=False)
    a, b, c = (Artifact.open(tmp_path / name) for name in "abc")
    assert a.content_hash == b.content_hash != c.content_hash


@pytest.mark.parametrize("change", [{"text": "y"}, {"seed": 1}, {"sources": {"s": "1"}}, {"stage": "encode"}])
def test_another_key_is_refused_without_force_and_remade_with_it(tmp_path: Path, change: dict) -> None:
    make(order(tmp_path / "a"), run, replace=False)
    with pytest.raises(ArtifactError, match="--force"):
        make(order(tmp_path / "a", **change), run, replace=False)
    assert Artifact.open(tmp_path / "a").manifest.counts == {"letters": 1}
    assert make(order(tmp_path / "a", **change), run, replace=True)


def test_changed_input_changes_the_key(tmp_path: Path) -> None:
    make(order(tmp_path / "in"), run, replace=False)
    downstream = order(tmp_path / "out", inputs={"curate": Artifact.open(tmp_path / "in")})
    make(downstream, run, replace=False)
    make(order(tmp_path / "in", text="changed"), run, replace=True)
    assert not is_made(order(tmp_path / "out", inputs={"curate": Artifact.open(tmp_path / "in")}))


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / MANIFEST).write_text('{"name": "a web page"}')
    for replace in (False, True):
        with pytest.raises(ArtifactError, match="not groundup's"):
            make(order(tmp_path), run, replace=replace)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / INCOMPLETE).exists()


def failing(config: Setting, job: Job) -> Outcome:
    (job.out / "half.txt").write_text("half")
    raise RuntimeError("killed")


def test_unfinished_work_does_not_exist_and_is_cleared(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        make(order(tmp_path / "a"), failing, replace=False)
    with pytest.raises(ArtifactError, match="not finished"):
        Artifact.open(tmp_path / "a")
    assert make(order(tmp_path / "a"), run, replace=False)
    assert not (tmp_path / "a" / "half.txt").exists()
    assert not (tmp_path / "a" / INCOMPLETE).exists()


@pytest.mark.parametrize(("resumable", "same_key", "kept"), [(True, True, True), (True, False, False), (False, True, False)])
def test_resumable_work_is_kept_for_the_same_key_only(tmp_path: Path, resumable: bool, same_key: bool, kept: bool) -> None:
    with pytest.raises(RuntimeError):
        make(order(tmp_path / "a", resumable=resumable), failing, replace=False)
    seen = []

    def look(config: Setting, job: Job) -> Outcome:
        seen.append((job.out / "half.txt").exists())
        return run(config, job)

    make(order(tmp_path / "a", text="x" if same_key else "y", resumable=resumable), look, replace=not same_key)
    assert seen == [kept]


def test_unfinished_resumable_work_of_other_settings_is_not_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        make(order(tmp_path / "a", resumable=True), failing, replace=False)
    words = r"unfinished 'documents' artifact made with other settings or inputs \(\w+\.text x there, y here\); .* --out beside it"
    with pytest.raises(ArtifactError, match=words):
        make(order(tmp_path / "a", text="y", resumable=True), run, replace=False)
    assert (tmp_path / "a" / "half.txt").exists()


@pytest.mark.parametrize("resumable", [True, False])
def test_a_damaged_artifact_is_mended_if_resumable_and_else_named(tmp_path: Path, resumable: bool) -> None:
    make(order(tmp_path / "a", resumable=resumable), run, replace=False)
    (tmp_path / "a" / "speed.json").unlink()
    seen = []

    def look(config: Setting, job: Job) -> Outcome:
        seen.append((job.out / "data.txt").exists())
        return run(config, job)

    if not resumable:
        with pytest.raises(ArtifactError, match=r"a damaged 'documents' artifact; .*--force"):
            make(order(tmp_path / "a"), look, replace=False)
    make(order(tmp_path / "a", resumable=resumable), look, replace=not resumable)
    assert seen == [resumable]


@pytest.mark.parametrize("place", ["in", "in/deeper", "."])
def test_an_input_is_never_overwritten(tmp_path: Path, place: str) -> None:
    make(order(tmp_path / "run" / "in"), run, replace=False)
    given = Artifact.open(tmp_path / "run" / "in")
    with pytest.raises(ArtifactError, match="overlaps its own input 'curate'"):
        make(order(tmp_path / "run" / place, text="y", inputs={"curate": given}), run, replace=True)
    assert given.damaged_files() == []


def test_missing_and_truncated_files_are_named(tmp_path: Path) -> None:
    make(order(tmp_path / "a"), run, replace=False)
    (tmp_path / "a" / "data.txt").write_text("longer")
    with pytest.raises(ArtifactError, match=r"data\.txt: 6 bytes, the manifest says 1"):
        Artifact.open(tmp_path / "a")
    (tmp_path / "a" / "data.txt").unlink()
    with pytest.raises(ArtifactError, match=r"data\.txt: missing"):
        Artifact.open(tmp_path / "a")


def test_changed_bytes_are_found_by_hash(tmp_path: Path) -> None:
    make(order(tmp_path / "a"), run, replace=False)
    (tmp_path / "a" / "data.txt").write_text("z")
    assert Artifact.open(tmp_path / "a").damaged_files() == ["data.txt"]


@pytest.mark.parametrize(("num_bytes", "noticed"), [(10, True), (SMALL_FILE_BYTES, True), (SMALL_FILE_BYTES + 1, False)])
def test_changed_bytes_of_a_small_file_are_noticed_before_it_is_skipped(tmp_path: Path, num_bytes: int, noticed: bool) -> None:
    wanted = order(tmp_path / "a", text="x" * num_bytes)
    make(wanted, run, replace=False)
    (tmp_path / "a" / "data.txt").write_text("y" * num_bytes)
    assert is_made(wanted) == (not noticed)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b'{"kind": "x"}', b"\xff\x00"])
def test_a_damaged_manifest_is_said_and_remade_when_asked(tmp_path: Path, manifest: bytes) -> None:
    make(order(tmp_path / "a"), run, replace=False)
    (tmp_path / "a" / MANIFEST).write_bytes(manifest)
    with pytest.raises(ArtifactError, match=r"manifest\.json.*--force.*--from STAGE"):
        Artifact.open(tmp_path / "a")
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged or missing; .*--force"):
        make(order(tmp_path / "a"), run, replace=False)
    assert make(order(tmp_path / "a"), run, replace=True)
    assert is_made(order(tmp_path / "a"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.just(b"[" * 100_000) | st.just(b'{"schema_version": 1}')
)
def test_any_bytes_as_manifest_are_a_clear_error(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(raw)
    with pytest.raises(ArtifactError, match="manifest"):
        read_manifest(tmp_path)


def test_the_revision_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(order(tmp_path / "a"), run, replace=False)
    monkeypatch.setattr("subprocess.run", pytest.fail)
    make(order(tmp_path / "b"), run, replace=False)
    assert read_manifest(tmp_path / "a").revision == read_manifest(tmp_path / "b").revision
