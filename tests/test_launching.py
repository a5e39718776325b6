"""The script for Slurm: bash reads it, and it starts the layout's processes."""

import subprocess
from pathlib import Path

import pytest

from groundup.core.errors import ConfigError
from groundup.launching import write_sbatch
from lines import write_recipe


def test_the_script_starts_the_layout(tmp_path: Path) -> None:
    """With stand-ins for Slurm's commands, the processes are started as torchrun is to start them."""
    recipe, script = write_recipe(tmp_path), tmp_path / "job.sbatch"
    told = ["parallel.dp=4", "parallel.tp=2"]
    made = write_sbatch(recipe, told, script, nodes=2, processes=4, gpus=4, time="01:00:00", run=tmp_path / "a run")
    assert made["processes"] == 8
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, body in {
        "srun": 'printf "%s\\n" "$@"; env | grep -E "OMP_|RDZV" | sort',
        "scontrol": "echo first; echo second",
    }.items():
        (bin_ / name).write_text(f"#!/bin/bash\n{body}\n")
        (bin_ / name).chmod(0o755)
    env = {"PATH": f"{bin_}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "32"}
    said = subprocess.run(["bash", str(script)], env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    for option, value in {"--nnodes": "2", "--nproc-per-node": "4", "--rdzv-id": "7", "--rdzv-endpoint": "first:29500"}.items():
        assert said[said.index(option) + 1] == value
    assert said[-2:] == ["OMP_NUM_THREADS=8", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"]
    command = said[said.index("groundup") :]
    assert command[:5] == ["groundup", "run", str(recipe), "--out", str(tmp_path / "a run")]
    assert [word for word in command if "parallel" in word] == told
    settings = [line.removeprefix("#SBATCH ") for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"--nodes=2", "--gpus-per-node=4", "--time=01:00:00", "--ntasks-per-node=1"} <= set(settings)


def test_a_layout_that_is_to_be_chosen_starts_any_number(tmp_path: Path) -> None:
    made = write_sbatch(write_recipe(tmp_path), ["parallel=auto"], tmp_path / "job", nodes=2, processes=3)
    assert (made["processes"], made["layout"]) == (6, "auto")


def test_a_layout_of_other_processes_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    with pytest.raises(ConfigError, match=r"is a layout of 8 processes, and 6 were started; set parallel.dp=3, or start 8"):
        write_sbatch(recipe, ["parallel.dp=4", "parallel.tp=2"], tmp_path / "job", nodes=2, processes=3)
