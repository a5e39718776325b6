"""Who learns, who chooses the learning rate, and who is scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.core.errors import DataError
from groundup.core.seeds import derive_seed
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.examples import Example, read_examples


@dataclass(frozen=True)
class Parts:
    """Examples with different texts in each part."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def read_parts(task: TaskConfig) -> Parts:
    """Return the task's examples in three parts; raise DataError if one is empty.

    A hash of its text says where an example goes, so equal texts stay together, and a text is in the same part whatever else the
    file holds. With a test file of its own, training examples whose text is in it are left out.
    """
    examples = read_examples(task.train, task.kind)
    if task.test is not None:
        test = read_examples(task.test, task.kind)
        known = {example.read for example in test}
        rest = [example for example in examples if example.read not in known]
    else:
        test, rest = _held_out(examples, task.test_share or 0.0, task.split_seed, "test")
    validation, train = _held_out(rest, task.validation_share, task.split_seed, "validation")
    parts = Parts(_first(train, task.max_train_examples, task.split_seed), validation, test)
    for name, part in vars(parts).items():
        if not part:
            raise DataError(
                f"{task.train}: of {len(examples):,} examples none is left for {name}; give more, or change test_share "
                "or validation_share"
            )
    return parts


def _held_out(examples: Sequence[Example], share: float, seed: int, name: str) -> tuple[list[Example], list[Example]]:
    """Return about `share` of the examples, and the others."""
    inside = [_place(example, seed, name) < share * 2**64 for example in examples]
    return (
        [example for example, chosen in zip(examples, inside, strict=True) if chosen],
        [example for example, chosen in zip(examples, inside, strict=True) if not chosen],
    )


def _first(examples: list[Example], count: int | None, seed: int) -> list[Example]:
    """Return `count` of the examples, drawn at random."""
    return examples if count is None else sorted(examples, key=lambda example: _place(example, seed, "train"))[:count]


def _place(example: Example, seed: int, name: str) -> int:
    return derive_seed(seed, name, *example.read)
