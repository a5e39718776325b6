"""Sanity before a long run: what would spoil it hours later, found in seconds."""

import shutil
import time

import torch
from rich.table import Table

from groundup.core.config import Config
from groundup.core.errors import VerificationError
from groundup.core.files import write_json
from groundup.core.log import console, say
from groundup.core.units import format_seconds
from groundup.pretrain.checks import Failed, Subject, checks_of

PREFLIGHT_FILE = "preflight.json"
LONG_RUN_S = 600.0
"""With pretrain.preflight=auto, runs planned to take this long are checked first."""


class Check(Config):
    """One thing that was looked at."""

    name: str
    passed: bool
    found: str
    seconds: float


def preflight(subject: Subject) -> list[Check]:
    """Check the run, write preflight.json into its folder and return what was found; weights and random states are left alone.

    Raises VerificationError if a check fails.
    """
    start_s, checks = time.perf_counter(), []
    random_state = torch.get_rng_state()
    try:
        for name, look in checks_of(subject):
            begun_s = time.perf_counter()
            try:
                passed, found = True, look()
            except Failed as failure:
                passed, found = False, str(failure)
            checks.append(Check(name=name, passed=passed, found=found, seconds=time.perf_counter() - begun_s))
    finally:
        torch.set_rng_state(random_state)
        shutil.rmtree(subject.scratch, ignore_errors=True)
    write_json(subject.order.out / PREFLIGHT_FILE, {"checks": [check.model_dump() for check in checks]})
    console.print(render(checks))
    failed = [f"{check.name}: {check.found}" for check in checks if not check.passed]
    if failed:
        raise VerificationError(f"not begun: {'; '.join(failed)}; to train all the same, set pretrain.preflight=off")
    say(f"  preflight: {len(checks)} checks passed in {format_seconds(time.perf_counter() - start_s)}")
    return checks


def render(checks: list[Check]) -> Table:
    """Return the checks as a table."""
    table = Table("check", "", "found", "time", box=None)
    for column in table.columns:
        column.overflow = "fold"
    for check in checks:
        table.add_row(check.name, "ok" if check.passed else "FAILED", check.found, format_seconds(check.seconds))
    return table
