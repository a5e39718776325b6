"""The file that a user describes a task in."""

from pathlib import Path

from groundup.core.errors import ConfigError
from groundup.core.mappings import read_mapping
from groundup.evaluate.tasks.config import TaskConfig


def load_task(path: Path, data: Path | None = None) -> TaskConfig:
    """Return the task in the YAML file; paths of examples in it start from `data`, by default the file's own folder.

    Raises ConfigError with the file, the key and the way out.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such task; a task is a YAML file with kind, train and test (docs/evaluate.md)")
    settings = {"name": path.stem, **read_mapping(path, "a task")}
    for key in ("train", "test"):
        if isinstance(settings.get(key), str):
            settings[key] = (data or path.parent) / settings[key]
    return TaskConfig.parse(settings, str(path))
