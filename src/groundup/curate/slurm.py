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
from groundup.curate.passes.crew import crew
from groundup.curate.passes.passages import find_repeated, hash_passages
from groundup.curate.passes.plan import part_tasks
from groundup.curate.passes.probe import probe_sources
from groundup.curate.passes.read import read_part
from groundup.curate.passes.work import PartTask, Work
from groundup.curate.passes.write import write_part
from groundup.curate.run import decide, open_work

MAX_ARRAY = 1000
"""Jobs of an array; Slurm takes 1,001 unless its administrator says otherwise (MaxArraySize)."""
PASSES: dict[str, Callable[[PartTask], None]] = {"read": read_part, "passages": hash_passages, "write": write_part}
DECIDE, REPEATED, FINISH = "decide", "repeated", "finish"
_WORK = "work.json"


def prepare(config: CurateConfig, job: Job) -> int:
    """Find the parts, and leave what `run_split` needs; return how many there are."""
    work = open_work(config, job)
    with open_engine(crew(work, job.workers)) as engine:
        tasks = part_tasks(work, engine)
        probe_sources(tasks, engine)
    settings = {"config": config.model_dump(mode="json"), "seed": job.seed, "memory_bytes": job.workers.memory_bytes}
    write_json(work.scratch / _WORK, settings)
    return len(tasks)


def run_split(out: Path, pass_name: str, index: int, of: int) -> int:
    """Do the parts index, index + of, ... of a pass, or decide about all documents; return how many parts were done or compared."""
    if index >= of:
        raise ConfigError(f"--index {index} is not below --of {of}")
    if pass_name not in (*PASSES, DECIDE, REPEATED):
        raise ConfigError(f"--pass {pass_name}: there are {', '.join([*PASSES, DECIDE, REPEATED, FINISH])}")
    work = prepared(out)
    if pass_name not in _passes(work.config):
        raise ConfigError(
            f"--pass {pass_name}: the curation was prepared without curate.repeated_passages; prepare it again with them"
        )
    with open_engine(Workers(number=1)) as engine:
        tasks = part_tasks(work, engine)
        if pass_name == DECIDE:
            decide(work, tasks, engine)
            return len(tasks)
        if pass_name == REPEATED:
            find_repeated(work, tasks)
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


def script(config: CurateConfig, out: Path, parts: int) -> str:
    """Return a shell script that submits the passes one after another, and last the command that joins their results."""
    jobs = min(parts, MAX_ARRAY)
    split = f"groundup curate run-split --quiet --out {shlex.quote(str(out.absolute()))} --pass"
    passes = _passes(config)
    arrays = sum(name in PASSES for name in passes)
    lines = [
        "#!/usr/bin/env bash",
        f"# Curates {parts:,} parts into {shlex.quote(str(out.absolute()))}: {arrays} arrays, and between and after them jobs that "
        "look at all parts.",
        "# Change memory, time and partition to what your cluster has. What is finished is not done again.",
        "set -euo pipefail",
        'submit() { sbatch --parsable --cpus-per-task=1 --mem="${MEMORY:-4G}" --time="${TIME:-04:00:00}" "$@"; }',
    ]
    after = ""
    for name in passes:
        array, share = (f"--array=0-{jobs - 1} ", f" --index $SLURM_ARRAY_TASK_ID --of {jobs}") if name in PASSES else ("", "")
        lines.append(f"{name}=$(submit {array}{after}--wrap={shlex.quote(f'{split} {name}{share}')})")
        after = f'--dependency="afterok:${name}" '
    return "\n".join([*lines, f"submit {after}--wrap={shlex.quote(f'{split} {FINISH}')}", ""])


def _passes(config: CurateConfig) -> list[str]:
    """Return the passes that the settings need before the last one, in order."""
    return ["read", DECIDE, *(("passages", REPEATED) if config.repeated_passages.is_on else ()), "write"]
