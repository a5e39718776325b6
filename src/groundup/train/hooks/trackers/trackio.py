"""trackio: `trackio show --project groundup`; its database is where trackio keeps all of them (TRACKIO_DIR)."""

import os
from collections.abc import Sequence

import trackio

from groundup.train.hooks.trackers.tracker import PROJECT, Place, Tracker, Values


class Trackio(Tracker):
    """Logs to a run of one name, which goes on after an interruption."""

    def __init__(self, place: Place) -> None:
        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=f"{place.name}-{place.id}",
            config=dict(place.settings),
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def send(self, rows: Sequence[Values]) -> None:
        for step, values in rows:
            self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
