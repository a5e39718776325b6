"""`plan memory` as a function."""

from dataclasses import fields
from typing import Any

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.core.units import parse_bytes
from groundup.plan.hardware import named_hardware
from groundup.plan.memory.answer import Answer, answer
from groundup.plan.memory.question import Choices, Planned, ask
from groundup.train.parallel.config import Layout

CHOICES = [field.name for field in fields(Choices)]
KEYS = [key for key in Layout.model_fields if key not in CHOICES]


def plan_memory(
    model: str | None = None,
    recipe: Planned | None = None,
    hardware: str | None = None,
    device_bytes: int | str | None = None,
    generating: tuple[int, int | None] | None = None,
    **settings: Any,
) -> Answer:
    """Return what one device holds in training a model under a layout, or, with `generating` (sequences, tokens), in inference.

    `settings` are keys of a layout (`dp`, `zero`, `micro_batch`, ...) and of `Choices` (`precision`, `seq_len`, `optimizer`, ...);
    None is as good as unsaid. Raises ConfigError where they do not fit together.
    """
    for name in settings:
        if name not in (*CHOICES, *KEYS):
            raise ConfigError(f"plan memory has no setting '{name}'; {nearest(name, [*CHOICES, *KEYS])}")
    layout = {key: settings.get(key) for key in KEYS}
    choices = Choices(**{name: settings[name] for name in CHOICES if name in settings})
    said = {key: value for key, value in layout.items() if value is not None}
    return answer(ask(model, recipe, said, choices, generating, _device(hardware, device_bytes)))


def _device(name: str | None, size: int | str | None) -> tuple[str | None, int] | None:
    """Return name and memory of the device that was said."""
    if name is not None and size is not None:
        raise ConfigError(f"hardware {name} and device_bytes {size} both say the memory; leave one out")
    if name is not None:
        found = named_hardware(name)
        return found.name, found.memory_bytes
    if size is None:
        return None
    try:
        number = parse_bytes(size) if isinstance(size, str) else size
    except ValueError as error:
        raise ConfigError(f"device_bytes: {error}") from None
    if number <= 0:
        raise ConfigError(f"device_bytes={number} holds nothing; say the memory of a device, like 80GiB")
    return None, number
