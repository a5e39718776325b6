"""The trackers by name; the module of one, which imports its tool, is loaded when it is opened."""

from typing import Final

from groundup.core.lazy import lazy
from groundup.train.hooks.config import TrackerName
from groundup.train.hooks.trackers.tracker import Place, Tracker

_HERE = "groundup.train.hooks.trackers"
TRACKERS: Final[dict[TrackerName, tuple[str, str]]] = {
    "tensorboard": ("tensorboard", "TensorBoard"),
    "wandb": ("wandb", "WeightsAndBiases"),
    "mlflow": ("mlflow", "MLflow"),
    "trackio": ("trackio", "Trackio"),
}
"""Name -> module here, and class in it."""


def open_tracker(name: TrackerName, place: Place) -> Tracker:
    """Return the tracker of this name, which keeps its files in the place's folder."""
    module, kind = TRACKERS[name]
    place.folder.mkdir(parents=True, exist_ok=True)
    tracker: Tracker = getattr(lazy(f"{_HERE}.{module}"), kind)(place)
    return tracker
