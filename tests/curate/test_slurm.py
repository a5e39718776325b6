"""The script for Slurm does what the command does: here jobs are run one after another by a stand-in for sbatch."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import commands
from groundup import api
from groundup.artifacts.documents import Documents
from groundup.core.errors import ArtifactError, ConfigError
from groundup.curate.config import CurateConfig, SourceConfig
from groundup.orders import order_curate

SBATCH = """#!/usr/bin/env bash
# Runs the job at once, an array in falling order, and prints a number as sbatch --parsable does.
for word in "$@"; do case $word in
  --array=*) last=${word##*-} ;;
  --wrap=*) job=${word#--wrap=} ;;
  --dependency=afterok:7) ;;
  --dependency=*) exit 3 ;;
esac; done
for index in $(seq "${last:-0}" -1 0); do SLURM_ARRAY_TASK_ID=$index bash -c "$job" >&2; done
echo 7
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(SBATCH)
    (folder / "sbatch").chmod(0o755)
    with commands.standing_in(folder / "groundup"):
        yield {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_script_gives_the_bytes_of_the_command(write_jsonl, prose, tmp_path, cluster):
    path = write_jsonl([{"id": f"d{number}", "text": f"{prose(number % 30)} {prose(99, 60)}"} for number in range(40)])
    data = {"sources": [{"name": "s", "path": str(path)}], "validation": 0.1, "part_bytes": 16 << 10}
    config = CurateConfig.parse({**data, "repeated_passages": "windows"}, "recipe.yaml")
    expected = api.curate(config, tmp_path / "expected", seed=5)
    order = order_curate(config, tmp_path / "by slurm", 5)
    assert api.write_sbatch(order, tmp_path / "curate.sh") > 2
    assert "3 arrays" in (tmp_path / "curate.sh").read_text()
    subprocess.run(["bash", tmp_path / "curate.sh"], env=cluster, check=True, capture_output=True)
    assert Documents.open(tmp_path / "by slurm").content_hash == expected.content_hash


def test_what_cannot_be_done_is_said(write_jsonl, prose, tmp_path):
    config = CurateConfig(sources=(SourceConfig(name="s", path=write_jsonl([{"text": prose(1)}])),), validation=0)
    with pytest.raises(ArtifactError, match=r"no curation was prepared there; .*--sbatch FILE"):
        api.run_split(tmp_path / "out", "read")
    api.write_sbatch(order_curate(config, tmp_path / "out", 0), tmp_path / "curate.sh")
    assert "2 arrays" in (tmp_path / "curate.sh").read_text()
    with pytest.raises(ConfigError, match="--pass look: there are read, passages, write, decide, repeated, finish"):
        api.run_split(tmp_path / "out", "look")
    with pytest.raises(ConfigError, match="--index 2 is not below --of 2"):
        api.run_split(tmp_path / "out", "read", 2, 2)
    with pytest.raises(ConfigError, match=r"--pass repeated: the curation was prepared without curate\.repeated_passages"):
        api.run_split(tmp_path / "out", "repeated")
