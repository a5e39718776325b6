"""Modules that are loaded when they are first used, so that `groundup --help` does not wait for them."""

import importlib
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """Stands for a module where it is used. Not in sys.modules: torch looks at all that are there, which would load it then."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy(name: str) -> ModuleType:
    """Return the module `name`; its code runs at the first access to one of its attributes."""
    return _Lazy(name)
