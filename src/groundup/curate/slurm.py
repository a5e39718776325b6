"""The passes of a curation as jobs of a Slurm cluster: arrays that need no more than a folder which all nodes see."""

import shlex
from collections.abc import Callable
from pathlib import Path

from groundup.artifacts.build import Job
from groundup.artifacts.place import SCRATCH
from groundup.core.engines import Workers, open_engine
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.files import read_object, write_json
from groundup.curate.config import CurateConfig
from groundup.curate.passes.plan import part_tasks
from groundup.curate.passes.read import read_part
from groundup.curate.passes.work import PartTask, Work
from groundup.curate.passes.write import write_part
from groundup.curate.run import decide, open_work

MAX_ARRAY = 1000
"""Jobs of an array; Slurm takes 1,001 unless its administrator says otherwise (MaxArraySize)."""
PASSES: dict[str, Callable[[PartTask], None]] = {"read": read_part, "write": write_part}
DECIDE, FINISH = "decide", "finish"
_WORK = "work.json"


def prepare(config: CurateConfig, job: Job) -> int:
    """Find the parts, and leave what `run_split` needs; return how many there are."""
    work = open_work(config, job)
    with open_engine(job.workers) as engine:
        tasks = part_tasks(work, engine)
    settings = {"config": config.model_dump(mode="json"), "seed": job.seed, "memory_bytes": job.workers.memory_bytes}
    write_json(work.scratch / _WORK, settings)
    return len(tasks)


def run_split(out: Path, pass_name: str, index: int, of: int) -> int:
    """Do the parts index, index + of, ... of a pass, or decide about all documents; return how many parts were done or compared."""
    if index >= of:
        raise ConfigError(f"--index {index} is not below --of {of}")
    if pass_name not in (*PASSES, DECIDE):
        raise ConfigError(f"--pass {pass_name}: there are {', '.join([*PASSES, DECIDE, FINISH])}")
    work = prepared(out)
    with open_engine(Workers(number=1)) as engine:
        tasks = part_tasks(work, engine)
        if pass_name == DECIDE:
            decide(work, tasks, engine)
            return len(tasks)
    for task in tasks[index::of]:
        PASSES[pass_name](task)
    return len(tasks[index::of])


def prepared(out: Path) -> Work:
    """Return the curation that `prepare` prepared; raise ArtifactError if there is none."""
    found = sorted((out / SCRATCH).glob(f"*/{_WORK}"))
    if len(found) != 1:
        raise ArtifactError(f"{out}: no curation was prepared there; 'groundup curate ... --out {out} --sbatch FILE' does it")
    settings = read_object(found[0])
    config = CurateConfig.parse(settings["config"], str(found[0]))
    return Work(config, settings["seed"], found[0].parent, settings["memory_bytes"])


def script(out: Path, parts: int) -> str:
    """Return a shell script that submits the passes one after another, and last the command that joins their results."""
    jobs = min(parts, MAX_ARRAY)
    folder = shlex.quote(str(out.absolute()))
    split = f"groundup curate run-split --quiet --out {folder} --pass"
    shares = f"--index $SLURM_ARRAY_TASK_ID --of {jobs}"
    lines = [
        "#!/usr/bin/env bash",
        f"# Curates {parts:,} parts into {folder}: two arrays, and between and after them a job that looks at all parts.",
        "# Change memory, time and partition to what your cluster has. What is finished is not done again.",
        "set -euo pipefail",
        'submit() { sbatch --parsable --cpus-per-task=1 --mem="${MEMORY:-4G}" --time="${TIME:-04:00:00}" "$@"; }',
        f"read=$(submit --array=0-{jobs - 1} --wrap={shlex.quote(f'{split} read {shares}')})",
        f'decide=$(submit --dependency="afterok:$read" --wrap={shlex.quote(f"{split} {DECIDE}")})',
        f'write=$(submit --array=0-{jobs - 1} --dependency="afterok:$decide" --wrap={shlex.quote(f"{split} write {shares}")})',
        f'submit --dependency="afterok:$write" --wrap={shlex.quote(f"{split} {FINISH}")}',
    ]
    return "\n".join([*lines, ""])
