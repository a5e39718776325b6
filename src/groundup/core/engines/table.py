"""The engines by name."""

from groundup.core.engines.base import Engine, EngineName, Workers
from groundup.core.engines.local import LocalEngine
from groundup.core.engines.ray import RayEngine

ENGINES: dict[EngineName, type[Engine]] = {"local": LocalEngine, "ray": RayEngine}


def open_engine(workers: Workers) -> Engine:
    """Return the engine, to be used as a context; raise MissingExtraError if its library is not installed."""
    return ENGINES[workers.engine](workers.count)
