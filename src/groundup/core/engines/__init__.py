"""Who carries out independent tasks: processes of this machine, or of a Ray cluster."""

from groundup.core.engines.base import Engine, EngineName, Workers
from groundup.core.engines.table import ENGINES, open_engine

__all__ = ["ENGINES", "Engine", "EngineName", "Workers", "open_engine"]
