"""Raw text and a compute budget in; a language model you can trust, explain and ship out.

Each verb of the command line is a function here: `groundup.run(recipe)`, `groundup.curate(config, out)`, ...
"""

import importlib
from types import ModuleType
from typing import Any

_FUNCTIONS = (
    "run",
    "demo",
    "new",
    "fetch",
    "curate",
    "train_classifier",
    "train_perplexity",
    "explain",
    "tokenizer_compare",
    "encode",
    "plan_budget",
    "plan_compute",
    "plan_hardware",
    "plan_layout",
    "plan_memory",
    "plan_models",
    "plan_calibration",
    "plan_formats",
    "plan_choose",
    "pretrain",
    "evaluate",
    "evaluate_tasks",
    "generate",
    "generate_texts",
    "export",
    "import_checkpoint",
    "scaling_fit",
    "scaling_forecast",
    "scaling_picture",
    "simulate_memory",
    "show",
    "doctor",
    "load_recipe",
)
__all__ = list(_FUNCTIONS)


class _Verb(ModuleType):
    """A stage's package that is called like the verb it is named after."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module("groundup.api"), self.__name__.rpartition(".")[2])(*args, **kwargs)


for _stage in ("curate", "encode", "plan", "pretrain", "evaluate", "export", "report"):
    importlib.import_module(f"groundup.{_stage}").__class__ = _Verb


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("groundup.api"), name)
    raise AttributeError(f"module 'groundup' has no attribute '{name}'; its verbs: {', '.join(__all__)}")
