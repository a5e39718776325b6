"""All that decides how a training run goes on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from groundup.core.errors import ArtifactError
from groundup.core.seeds import derive_seed
from groundup.train.apart import Apart
from groundup.train.healing.ladder import Healing
from groundup.train.loss_scale import LossScale
from groundup.train.optim.state import load_state_tensors, parameter_of, state_tensors
from groundup.train.step import StepResult

_OPTIMIZER = "optimizer."
_WEIGHTS = "weights."
_MOMENTUM = "outer.momentum."
_RANDOM = "random."


@dataclass(frozen=True)
class Ending:
    """The decision to end a run earlier than planned."""

    decided: int
    """Steps that were taken then."""
    place: float
    """Where the last of these stood on the planned course of the learning rate."""
    steps: int
    """Steps of the whole run."""


class RunState:
    """A run between two steps: what a checkpoint holds and a rollback puts back.

    The learning rate, and which text a step reads, follow from the numbers here and from settings.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        healing: Healing,
        loss_scale: LossScale | None = None,
        place: str = "",
        apart: Apart | None = None,
    ) -> None:
        """`place`: of this process among those of the run (Ranks.place), each of which has random states of its own.

        `apart`: of an island that trains apart. What all islands went on from last is the model then that others read; each has
        weights and an optimizer's state of its own beside it.
        """
        self._place = place
        self._apart = apart
        self._own = apart.prefix if apart else ""
        self.model = model
        self.optimizer = optimizer
        self.healing = healing
        self.loss_scale = loss_scale
        self.step = 0
        """Steps taken."""
        self.tokens = 0
        """Tokens of text that these were made from."""
        self.passed_over: list[tuple[int, int]] = []
        """Ranges [first, end) of places in the order of the data that were passed over."""
        self.ending: Ending | None = None

    @property
    def shift(self) -> int:
        """Places in the order of the data that were passed over."""
        return sum(end - first for first, end in self.passed_over)

    def take(self, result: StepResult, tokens: int, moved: float = 0.0) -> None:
        """Count a step that was taken, which moved the weights by this share of their norm."""
        self.step += 1
        self.tokens += tokens
        self.healing.take(self.step, result, moved)

    def pass_over(self, places: range) -> None:
        """Leave these places, which the next step would have begun with, out of the order."""
        if self.passed_over and self.passed_over[-1][1] == places.start:
            self.passed_over[-1] = (self.passed_over[-1][0], places.stop)
        else:
            self.passed_over.append((places.start, places.stop))

    def weights(self) -> dict[str, Tensor]:
        """Return the weights themselves, no copies."""
        return self._apart.weights() if self._apart else dict(self.model.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """Return the optimizer's state itself, and copies of the random states."""
        tensors = {self._own + _OPTIMIZER + name: tensor for name, tensor in state_tensors(self.optimizer).items()}
        if self._apart:
            tensors |= {self._own + _WEIGHTS + name: weight for name, weight in self.model.state_dict().items()}
            tensors |= {_MOMENTUM + name: momentum for name, momentum in self._apart.momentum().items()}
        tensors[self._random("cpu")] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors[self._random("cuda")] = torch.cuda.get_rng_state()
        return tensors

    def like(self, name: str) -> Tensor | None:
        """Return a tensor that lies in this process as the stored one of this name is to lie; None if none of it belongs here."""
        if name.startswith(self._own + _OPTIMIZER):
            return parameter_of(self.optimizer, name.removeprefix(self._own + _OPTIMIZER))
        if self._apart and name.startswith(self._own + _WEIGHTS):
            return self.model.state_dict().get(name.removeprefix(self._own + _WEIGHTS))
        if self._apart and name.startswith(_MOMENTUM):
            return self._apart.momentum().get(name.removeprefix(_MOMENTUM))
        if name.startswith(_RANDOM):
            return torch.get_rng_state() if name in (self._random("cpu"), self._random("cuda")) else None
        return self.weights().get(name)

    def facts(self) -> dict[str, Any]:
        """Return the numbers, as JSON."""
        passed_over = [list(places) for places in self.passed_over]
        facts: dict[str, Any] = {"step": self.step, "tokens": self.tokens, "passed_over": passed_over}
        facts |= {"ending": asdict(self.ending) if self.ending else None, "healing": self.healing.facts()}
        facts |= {"islands": self._apart.islands} if self._apart else {}
        return facts | ({"loss_scale": self.loss_scale.facts()} if self.loss_scale else {})

    def load(self, weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Put back what `weights`, `tensors` and `facts` returned, exactly; the tensors are the run's from then on."""
        self._check_islands(facts)
        if self._apart:
            self._apart.load(weights, _beginning(_MOMENTUM, tensors))
        self.model.load_state_dict(_beginning(self._own + _WEIGHTS, tensors) if self._apart else weights)
        load_state_tensors(self.optimizer, _beginning(self._own + _OPTIMIZER, tensors))
        self._load_random(tensors, int(facts["step"]))
        self.step, self.tokens = int(facts["step"]), int(facts["tokens"])
        self.passed_over = [(int(first), int(end)) for first, end in facts["passed_over"]]
        self.ending = Ending(**facts["ending"]) if facts.get("ending") else None
        self.healing.load(facts["healing"])
        if self.loss_scale:
            self.loss_scale.load(facts["loss_scale"])

    def _check_islands(self, facts: Mapping[str, Any]) -> None:
        """Raise ArtifactError if the state is of another number of islands: each has an optimizer's state of its own."""
        found, own = int(facts.get("islands", 1)), self._apart.islands if self._apart else 1
        if found != own:
            raise ArtifactError(
                f"a checkpoint of {found} islands that train apart, and parallel.local_sgd.islands is {own} now (1: none); go on "
                f"with {found}, or begin a new run from its weights"
            )

    def _random(self, device: str) -> str:
        return f"{_RANDOM}{device}{self._place}"

    def _load_random(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on with this process' random numbers; where another layout left none for it, with new ones that depend on the step."""
        if self._random("cpu") not in tensors:
            torch.manual_seed(derive_seed(torch.initial_seed(), "step", step))
            return
        torch.set_rng_state(tensors[self._random("cpu")])
        if torch.cuda.is_available() and self._random("cuda") in tensors:
            torch.cuda.set_rng_state(tensors[self._random("cuda")])


def _beginning(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, under what follows."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
