"""Tasks ready to be trained: everything that can be wrong with one is found here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.log import say
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.fine_tune import num_steps
from groundup.evaluate.tasks.kinds import Kind, most_frequent
from groundup.evaluate.tasks.rows import Row
from groundup.evaluate.tasks.split import read_parts
from groundup.evaluate.tasks.table import KINDS
from groundup.nn.config import ModelConfig
from groundup.nn.load import load_config


@dataclass(frozen=True)
class Prepared:
    """A task with all that is known of it before anything is trained."""

    kind: Kind
    train: list[Row]
    validation: list[Row]
    test: list[Row]
    majority: float
    examples: dict[str, int]
    """Of each part; a sentence longer than the model is several rows."""

    @property
    def task(self) -> TaskConfig:
        return self.kind.task

    @property
    def runs(self) -> int:
        """Fine-tunings of one side: each learning rate with the first seed, then the best one with the others."""
        return len(self.task.tuning.learning_rates) + len(self.task.tuning.seeds) - 1

    @property
    def steps(self) -> int:
        """Optimizer steps of one fine-tuning."""
        return num_steps(len(self.train), self.task.tuning)

    def facts(self) -> dict[str, Any]:
        """Return the counts that a result is of."""
        return {"kind": self.task.kind, **self.examples, **self.kind.facts(), "cut": self.kind.speller.cut, "steps": self.steps}


def preview_tasks(checkpoint: Checkpoint, tasks: Sequence[TaskConfig], scratch: bool) -> dict[str, Any]:
    """Return what `score_tasks` would train, having checked all of it."""
    sides = 2 if scratch else 1
    return {ready.task.name: {**ready.facts(), "fine_tunings": sides * ready.runs} for ready in prepare_all(checkpoint, tasks)}


def prepare_all(checkpoint: Checkpoint, tasks: Sequence[TaskConfig]) -> list[Prepared]:
    """Return the tasks ready to be trained; raise ConfigError or DataError if one cannot be."""
    names = [task.name for task in tasks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"two tasks are called '{twice}'; give each a name of its own")
    config, tokenizer = load_config(checkpoint), TextTokenizer.from_file(checkpoint.tokenizer_file)
    if tokenizer.vocab_size > config.vocab_size:
        raise ArtifactError(
            f"{checkpoint.tokenizer_file}: has {tokenizer.vocab_size:,} tokens, the model an embedding of {config.vocab_size:,}; "
            "its tokenizer is another's"
        )
    return [_prepare(task, config, tokenizer) for task in tasks]


def _prepare(task: TaskConfig, config: ModelConfig, tokenizer: TextTokenizer) -> Prepared:
    parts = read_parts(task)
    kind = KINDS[task.kind](task, config, tokenizer, parts.train)
    train, validation, test = (list(kind.rows(part)) for part in (parts.train, parts.validation, parts.test))
    if kind.speller.cut:
        say(
            f"  {task.name}: {kind.speller.cut:,} texts are longer than the model has room for; what follows is left out",
            style="yellow",
        )
    counts = {name: len(part) for name, part in vars(parts).items()}
    return Prepared(kind, train, validation, test, most_frequent(parts.train, parts.test), counts)
