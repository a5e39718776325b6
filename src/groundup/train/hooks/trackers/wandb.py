"""Weights & Biases; without a key it writes for `wandb sync`, and needs no network."""

import netrc
import os
from collections.abc import Sequence

import wandb

from groundup.train.hooks.trackers.tracker import PROJECT, Place, Tracker, Values

_HOST = "api.wandb.ai"


class WeightsAndBiases(Tracker):
    """Logs under one id, so that parts of an interrupted run become one run when they are synchronised."""

    def __init__(self, place: Place) -> None:
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=place.name,
            id=place.id,
            dir=str(place.folder),
            config=dict(place.settings),
            mode=os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline"),
            resume="allow",
            settings=wandb.Settings(console="off", silent=True),
        )

    def send(self, rows: Sequence[Values]) -> None:
        for step, values in rows:
            self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def _has_key() -> bool:
    """Return whether somebody has logged in: init would ask for a key otherwise, and wait."""
    if "WANDB_API_KEY" in os.environ:
        return True
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
