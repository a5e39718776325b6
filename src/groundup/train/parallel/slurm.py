"""A script for Slurm that starts a recipe's training on many nodes."""

import shlex
from collections.abc import Sequence

PORT = 29500
SAVE_S = 120
"""Before the time is over the run is asked to stop: it saves itself after the step."""


def script(
    name: str, command: Sequence[str], nodes: int, processes: int, gpus: int = 0, time: str | None = None, restarts: int = 3
) -> str:
    """Return the script; `command`: what `python -m` runs on `processes` of each of the nodes.

    The processes meet at the first node (PORT in the environment chooses another port than 29500). Those of a machine share its
    cores. After the death of one all start again, and go on from the last checkpoint.
    """
    settings = [f"--job-name={name}", f"--nodes={nodes}", "--ntasks-per-node=1", f"--signal=TERM@{SAVE_S}", "--exclusive"]
    settings += [f"--gpus-per-node={gpus}"] if gpus else []
    settings += [f"--time={time}"] if time else []
    launcher = [
        *(["srun", "--kill-on-bad-exit=1", "python", "-m", "torch.distributed.run"]),
        *("--nnodes", str(nodes), "--nproc-per-node", str(processes), "--max-restarts", str(restarts)),
        *("--rdzv-backend", "c10d"),
    ]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {setting}" for setting in settings),
        "set -euo pipefail",
        'nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")',
        "first=${nodes%%$'\\n'*}",
        f"threads=$(( ${{SLURM_CPUS_ON_NODE:-$(nproc)}} / {processes} ))",
        "export OMP_NUM_THREADS=$(( threads > 0 ? threads : 1 ))",
        "export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1  # else agents of several nodes do not agree on where to meet after a restart",
        f'{shlex.join(launcher)} --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:${{PORT:-{PORT}}}" \\',
        f"  -m {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"
