"""The run's trackers, opened for its time."""

import contextlib
from collections.abc import Iterator

from groundup.artifacts.build import Job
from groundup.train.config import TrainConfig
from groundup.train.hooks.config import check_trackers
from groundup.train.hooks.evaluation import Evaluation
from groundup.train.hooks.tracking import Tracking, new_place


@contextlib.contextmanager
def trackings(config: TrainConfig, job: Job, metrics_file: str, evaluation: Evaluation | None) -> Iterator[list[Tracking]]:
    """Return the hooks that keep the trackers up to date; their files are beside the artifact, in OUT.trackers/NAME."""
    check_trackers(config.trackers)
    settings = job.recipe if job.recipe is not None else {"pretrain": config.model_dump(mode="json")}
    name = str(settings.get("name", job.out.resolve().name))
    folder = job.out.with_name(f"{job.out.name}.trackers")
    hooks = [
        Tracking(
            tracker,
            new_place(folder / tracker, name, settings),
            job.out / metrics_file,
            lambda: evaluation.rows if evaluation else [],
        )
        for tracker in config.trackers
    ]
    try:
        yield hooks
    finally:
        for hook in hooks:
            hook.close()
