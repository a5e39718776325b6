"""MLflow: a database in the folder (`mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`), or MLFLOW_TRACKING_URI."""

import os
import time
from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from groundup.train.hooks.trackers.tracker import PROJECT, Place, Tracker, Values

_MAX_METRICS, _MAX_PARAMS, _MAX_PARAM_LEN = 1000, 100, 500
"""Of one call, and characters of one parameter."""


class MLflow(Tracker):
    """Logs to the run that it began, which goes on after an interruption."""

    def __init__(self, place: Place) -> None:
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{place.folder.resolve() / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=uri)
        if place.given_id is not None:
            self.id = place.given_id
            self._client.update_run(self.id, status="RUNNING")
            return
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self._client.get_experiment_by_name(project)
        experiment = known.experiment_id if known else self._client.create_experiment(project)
        self.id = self._client.create_run(experiment, run_name=place.name).info.run_id
        params = [Param(key, value[:_MAX_PARAM_LEN]) for key, value in place.settings.items()]
        for first in range(0, len(params), _MAX_PARAMS):
            self._client.log_batch(self.id, params=params[first : first + _MAX_PARAMS])

    def send(self, rows: Sequence[Values]) -> None:
        now_ms = int(time.time() * 1000)
        metrics = [Metric(name, value, now_ms, step) for step, values in rows for name, value in values.items()]
        for first in range(0, len(metrics), _MAX_METRICS):
            self._client.log_batch(self.id, metrics=metrics[first : first + _MAX_METRICS])

    def close(self) -> None:
        self._client.set_terminated(self.id)
