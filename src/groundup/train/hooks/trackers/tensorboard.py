"""TensorBoard: `tensorboard --logdir FOLDER`."""

from collections.abc import Sequence

from torch.utils.tensorboard import SummaryWriter

from groundup.train.hooks.trackers.tracker import Place, Tracker, Values


class TensorBoard(Tracker):
    """Writes event files; what an earlier process wrote of steps that come now is hidden by a purge mark."""

    def __init__(self, place: Place) -> None:
        self._writer = SummaryWriter(str(place.folder / f"{place.name}-{place.id}"), purge_step=place.first_step)
        if place.given_id is None:
            self._writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in place.settings.items()), 0)

    def send(self, rows: Sequence[Values]) -> None:
        for step, values in rows:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
