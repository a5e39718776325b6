"""The walk back to the sources, and what it says of what is broken on the way."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fake_run import SOURCE_FILES, make_run
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Order, Outcome, make, seal
from groundup.artifacts.manifest import MANIFEST
from groundup.core.config import Config
from groundup.core.errors import ArtifactError
from groundup.lineage import Lineage, as_json, lineage, render, stage_folders
from groundup.pipeline import VERBS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("lineage") / "demo")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "demo")


def printed(node: Lineage) -> str:
    console = Console(width=300, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render(node))
    console.file.close()
    return console.export_text()


def edit_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    (folder / MANIFEST).write_text(json.dumps(data))


def test_an_artifact_leads_back_to_its_source_files(run: Path) -> None:
    node = lineage(run / "export")
    assert node.problems == []
    unfolded = [found.stage for found in node.walk() if found.state == "ok"]
    assert sorted(unfolded) == sorted(VERBS), "each artifact is unfolded once"
    (curate,) = [found for found in node.walk() if found.sources]
    assert len(curate.sources) == SOURCE_FILES
    assert "lib/python/module_0.py" in printed(node)


def test_a_run_folder_shows_every_stage_after_its_inputs(run: Path) -> None:
    node = lineage(run)
    assert [child.stage for child in node.inputs] == list(VERBS)
    assert node.kind == "run"
    text = printed(node)
    for verb in VERBS:
        assert Artifact.open(run / verb).content_hash[:12] in text


def test_json_holds_the_content_hash(run: Path) -> None:
    data = json.loads(json.dumps(as_json(lineage(run / "encode"))))
    assert data["content_hash"] == Artifact.open(run / "encode").content_hash
    assert {entry["name"] for entry in data["inputs"]} == {"curate", "tokenizer"}
    assert as_json(lineage(run))["content_hash"]


def test_the_hash_of_a_run_is_that_of_its_content(made: Path, run: Path) -> None:
    assert lineage(run).content_hash == lineage(made).content_hash


def test_a_moved_input_is_missing(run: Path) -> None:
    shutil.rmtree(run / "tokenizer")
    node = lineage(run / "encode")
    (lost,) = [found for found in node.walk() if found.state == "missing"]
    assert lost.kind == "tokenizer"
    assert lost.recorded_hash is not None
    assert "missing" in printed(node)


def test_a_remade_input_is_changed(run: Path) -> None:
    edit_manifest(run / "tokenizer", lambda data: data.update(content_hash="0" * 64))
    (found,) = [node for node in lineage(run / "encode").walk() if node.state == "changed"]
    assert "000000000000" in str(found.problem)
    assert str(found.recorded_hash)[:12] in str(found.problem)


def test_a_manifest_that_is_no_json_is_unreadable(run: Path) -> None:
    (run / "tokenizer" / MANIFEST).write_text("{")
    assert [node.state for node in lineage(run / "encode").walk() if node.problem] == ["unreadable"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_run_with_one_damaged_manifest_still_shows_the_others(run: Path, content: str) -> None:
    (run / "encode" / MANIFEST).write_text(content)
    node = lineage(run)
    assert {child.name for child in node.inputs} == set(VERBS)
    assert {child.name for child in node.inputs if child.state == "unreadable"} == {"encode"}
    assert all(str(run / "encode") in problem and "--from STAGE" in problem for problem in node.problems)
    assert Artifact.open(run / "plan").content_hash[:12] in printed(node)


def test_damage_is_named(run: Path) -> None:
    file = run / "tokenizer" / "tokenizer.json"
    file.write_bytes(file.read_bytes().replace(b"BPE", b"BPF"))
    assert lineage(run / "encode").problems == [], "the same size passes without verify"
    (problem,) = lineage(run / "encode", verify=True).problems
    assert "tokenizer.json" in problem
    file.unlink()
    (problem,) = lineage(run / "encode").problems
    assert "tokenizer.json" in problem


def test_verify_finds_a_manifest_that_does_not_fit_its_files(run: Path) -> None:
    edit_manifest(run / "curate", lambda data: data.update(content_hash="0" * 64))
    (problem,) = lineage(run / "curate", verify=True).problems
    assert MANIFEST in problem


def test_a_cycle_ends(run: Path) -> None:
    own = {"kind": "tokenizer", "path": "../encode", "content_hash": Artifact.open(run / "encode").content_hash}
    edit_manifest(run / "tokenizer", lambda data: data["inputs"].update(encode=own))
    states = [node.state for node in lineage(run / "encode").walk()]
    assert states.count("cycle") == 1
    assert {folder.name for folder in stage_folders(run)} == set(VERBS)


def test_a_checkpoint_inside_a_training_run(run: Path) -> None:
    folder = run / "pretrain" / "checkpoints" / "step-240"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    order = Order("pretrain", "checkpoint", folder, Config(), 0, inputs={"plan": Artifact.open(run / "plan")})
    seal(order, Outcome({"step": 240}))
    node = lineage(folder)
    assert (node.kind, node.problems) == ("checkpoint", [])
    assert any(found.sources for found in node.walk())


@pytest.mark.parametrize("what", ["nothing", "folder"])
def test_what_is_no_artifact_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match=what):
        lineage(tmp_path / what)


@pytest.mark.parametrize("line", ["{", "[]", '{"source": "a"}', '{"source": "a", "file": "b", "sha256": "c", "bytes": "many"}'])
def test_a_damaged_list_of_sources_is_named_with_its_line(run: Path, line: str) -> None:
    with (run / "curate" / "sources.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ArtifactError, match=f"sources.jsonl:{SOURCE_FILES + 1}"):
        lineage(run / "curate")


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    def evil(folder: Path) -> None:
        row = {"source": "a\x1b[31m", "file": "\x1b]0;title\x07[bold]x", "sha256": "0" * 64, "bytes": 1}
        (folder / "sources.jsonl").write_text(json.dumps(row) + "\n")

    text = printed(lineage(make_run(tmp_path / "demo", until="curate", curate=evil)))
    assert "[bold]x" in text
    assert "\x1b" not in text
    assert "\x07" not in text


@settings(max_examples=15, deadline=None)
@given(edges=st.lists(st.sets(st.integers(0, 7), max_size=8), min_size=1, max_size=8))
def test_any_graph_is_unfolded_once(tmp_path_factory: pytest.TempPathFactory, edges: list[set[int]]) -> None:
    root = tmp_path_factory.mktemp("graph")
    for i, chosen in enumerate(edges):
        inputs = {f"s{j}": Artifact.open(root / f"s{j}") for j in chosen if j < i}
        make(Order(f"s{i}", "thing", root / f"s{i}", Config(), 0, inputs=inputs), lambda config, job: Outcome(), replace=False)
    names = [node.stage for node in lineage(root).walk() if node.state == "ok" and node.kind != "run"]
    assert sorted(map(str, names)) == sorted(f"s{i}" for i in range(len(edges)))
