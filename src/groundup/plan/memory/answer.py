"""The memory of one device beside what it has, and what would make it fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from groundup.core.errors import ConfigError
from groundup.estimate.device_memory import Memory, device_memory
from groundup.estimate.device_memory.inference import inference_memory
from groundup.estimate.parameters import total_parameters
from groundup.plan.memory.question import Question
from groundup.train.parallel.config import Layout

GIB = 2**30
RULES = {"weights_4B": 4, "states_16B": 16, "course_24B": 24}
"""Bytes a parameter: weights in 32 bits; with gradients and Adam's moments; with 8 for activations whatever the batch is."""


@dataclass(frozen=True)
class Way:
    """A change of settings under which it fits."""

    settings: dict[str, Any]
    total: int
    devices: int = 1


@dataclass(frozen=True)
class Answer:
    """What one device holds."""

    question: Question
    memory: Memory
    ways: tuple[Way, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether it stays within the device; None where no device was named."""
        return None if self.question.device_bytes is None else self.memory.total <= self.question.device_bytes

    @property
    def params(self) -> int:
        return total_parameters(self.question.model)

    @property
    def rules_of_thumb(self) -> dict[str, int]:
        """What rules of thumb say of the whole model, for comparison."""
        return {name: size * self.params for name, size in RULES.items()}

    def as_json(self, explain: bool = False) -> dict[str, Any]:
        """Return the answer as plain numbers."""
        question, memory = self.question, self.memory
        result = {
            "model": question.name,
            "params": self.params,
            "seq_len": question.seq_len,
            "layout": question.layout.model_dump(mode="json"),
            "software": memory.software,
            "stage": memory.stage,
            "per_device": memory.as_json(),
            "per_device_gib": {line: size / GIB for line, size in memory.as_json().items()},
            "host_bytes": memory.host_bytes,
            "fits": self.fits,
            "device_bytes": question.device_bytes,
            "device": question.device,
            "nearest": [{"settings": way.settings, "total": way.total, "devices": way.devices} for way in self.ways],
            "rules_of_thumb": self.rules_of_thumb,
        }
        return {**result, "terms": [term._asdict() for term in memory.terms]} if explain else result


def answer(question: Question) -> Answer:
    """Return the memory of the fullest device, and, where it does not fit, the nearest settings that do."""
    memory = _memory(question, question.layout)
    found = Answer(question, memory)
    return replace(found, ways=tuple(_ways(question))) if found.fits is False else found


def _memory(question: Question, layout: Layout) -> Memory:
    if question.inference is not None:
        return inference_memory(question.model, layout, question.inference)
    return device_memory(question.model, layout, question.training)


def _ways(question: Question) -> Iterator[Way]:
    """Yield the smallest change of each kind under which it fits; where no change alone does, those with the smallest micro-batch
    and full recomputation beside them."""
    kinds = list(_inference_changes(question)) if question.inference else list(_changes(question))
    alone = [way for kind in kinds if (way := _first(question, kind)) is not None]
    yield from alone
    if alone or question.inference:
        return
    saving = {"micro_batch": 1, "recompute": "full"}
    nothing: list[dict[str, Any]] = [{}]
    for kind in (nothing, *kinds):
        way = _first(question, [{**saving, **change} for change in kind])
        if way is not None:
            yield way


def _first(question: Question, changes: list[dict[str, Any]]) -> Way | None:
    """Return the first of the changes under which it fits."""
    before = question.layout.model_dump()
    for change in changes:
        settings = {key: value for key, value in change.items() if before.get(key) != value}
        changed = _changed(question, settings)
        if not settings or changed is None or question.device_bytes is None:
            continue
        total = _memory(changed, changed.layout).total
        if total <= question.device_bytes:
            return Way(settings, total, changed.layout.world_size)
    return None


def _changed(question: Question, settings: dict[str, Any]) -> Question | None:
    """Return the question with other settings; None if they do not fit together."""
    if question.inference is not None and "batch" in settings:
        return replace(question, inference=replace(question.inference, batch=settings["batch"]))
    said = {key: value for key, value in {**question.layout.model_dump(), **settings}.items() if value is not None}
    try:
        return replace(question, layout=Layout.parse(said, "layout"))
    except ConfigError:
        return None


def _changes(question: Question) -> Iterator[list[dict[str, Any]]]:
    """Yield for each kind of change its steps, the smallest first."""
    layout, model = question.layout, question.model
    yield [{"micro_batch": size} for size in range(layout.micro_batch - 1, 0, -1) if layout.micro_batch % size == 0]
    order = ("none", "selective", "full")
    yield [{"recompute": recompute} for recompute in order[order.index(layout.recompute) + 1 :]]
    if layout.dp > 1:
        yield [{"zero": zero, "sharding_factor": None} for zero in range(layout.zero + 1, 4)]
        if layout.zero == 3 and layout.shards < layout.dp:
            factors = range(layout.shards + 1, layout.dp + 1)
            yield [{"sharding_factor": factor} for factor in factors if layout.dp % factor == 0]
    yield [{"dp": layout.dp * 2**power, "zero": 3, "sharding_factor": None} for power in range(1, 8)]
    yield [{"tp": ranks} for ranks in (2, 4, 8) if ranks > layout.tp and model.num_heads % ranks == 0]
    yield [{"pp": stages} for stages in (2, 4, 8, 16, 32) if layout.pp < stages <= model.num_layers]
    yield [{"offload": offload} for offload in ("optimizer", "all") if layout.offload != offload]


def _inference_changes(question: Question) -> Iterator[list[dict[str, Any]]]:
    assert question.inference is not None, "asked for"
    batch, model = question.inference.batch, question.model
    sizes, size = [], batch
    while size > 1:
        size //= 2
        sizes.append({"batch": size})
    yield sizes
    yield [{"tp": ranks} for ranks in (2, 4, 8) if ranks > question.layout.tp and model.num_heads % ranks == 0]
