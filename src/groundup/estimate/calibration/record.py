"""What is kept of a run: of which kind it was, what was foreseen, what was measured."""

import importlib.metadata
import os
from typing import Final, Literal

import psutil

from groundup.artifacts.plan import Amounts
from groundup.core.config import Config
from groundup.core.processor import cpu_name
from groundup.train.config import Recompute, RunPrecision

FORMAT: Final = 1
TEXT_LEN = 16
"""Of the content hash of the token shards, what tells one text from another."""


class MachineMark(Config):
    """What has to be equal for the speed of one run to say something of another's."""

    processor: str
    cores: int
    """Physical."""
    threads: int
    """That the run computes on."""
    torch: str

    def words(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.threads} threads, torch {self.torch}"


class RunKind(Config):
    """What forecasts err alike by."""

    device: str
    shape: str
    precision: RunPrecision
    compiled: bool
    recompute: Recompute

    def words(self, fields: tuple[str, ...]) -> str:
        """Return the named fields for a person."""
        said = {
            "shape": self.shape.replace("_", "-"),
            "precision": self.precision,
            "compiled": "compiled" if self.compiled else "eager",
            "recompute": f"recompute {self.recompute}",
        }
        return ", ".join([self.device, *(said[name] for name in fields)])


class RunRecord(Config):
    """One run: a line of the file."""

    format: Literal[1] = FORMAT
    at: str
    """When it ended: ISO 8601, UTC."""
    machine: MachineMark
    kind: RunKind
    text: str
    """The beginning of the content hash of its token shards."""
    params: int
    tokens: int
    steps: int
    plain: Amounts
    """What formulas and probes foresaw."""
    foreseen: Amounts
    """The same with the corrections of the runs before it, as the plan told it."""
    measured: Amounts
    train_s: float
    """Of the training loop, measured."""


def this_machine(threads: int) -> MachineMark:
    """Return the mark of this machine, for runs on so many threads; torch is not loaded for it."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return MachineMark(processor=cpu_name(), cores=cores, threads=threads, torch=importlib.metadata.version("torch"))
