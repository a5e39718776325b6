"""A tracked training step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from groundup.estimate.layout.traffic import Traffic
from groundup.estimate.workload import Workload
from groundup.nn.transformer import Transformer, build_model
from groundup.plan.probe import made_up_batch
from groundup.plan.simulate.answers import Answers
from groundup.plan.simulate.collectives import Sent
from groundup.plan.simulate.losses import LOSSES, LossName
from groundup.plan.simulate.tracker import Component, Tracker
from groundup.train.batch import Batch
from groundup.train.held import States, states_of
from groundup.train.loss import CrossEntropy
from groundup.train.optim.table import build_optimizer
from groundup.train.parallel.team import Team
from groundup.train.ranks import ALONE
from groundup.train.step import TrainStep

CLIP_NORM, RATE = 1.0, 1e-3


@dataclass(frozen=True)
class Tracked:
    """What a rank held and sent."""

    peak: dict[str, int]
    """The most bytes held during an update and a step after it, by component."""
    states: States
    """The most that were held after a micro-batch, or before the update."""
    traffic: tuple[Traffic, ...]
    """Of the step."""


def tracked_step(workload: Workload, loss: LossName, team: Team | None) -> Tracked:
    """Take a step as one rank of a team, or alone; the wrapping of the model is the engine's own."""
    model = build_model(workload.model, workload.attention)
    if team is not None:
        model = team.arrange(model)
    sent = Sent(team.mesh) if team is not None else None
    tracker = Tracker(sent)
    tracker.hold(model.buffers(), Component.TEMPORARIES)
    tracker.hold(model.parameters(), Component.WEIGHTS)
    with tracker, Answers(workload.predicted_tokens):
        with tracker.making(Component.BUFFERS):
            step = _step(workload, model, tracker, LOSSES[loss], team)
        batches = _Watched([made_up_batch(workload)] * workload.num_micro_batches, step)
        if team is not None and team.mesh.layout.pp > 1:  # the first pass rehearses: stages learn what they will be sent
            step.gradient(batches)
            step.discard()
        _begin_states(step)
        if sent is not None:
            sent.forget()
        step.gradient(batches)
        batches.note()
        step.update(RATE)
    return Tracked(tracker.peak, batches.most, sent.traffic if sent is not None else ())


class _Watched(list[Batch]):
    """Micro-batches that note, as the next one is asked for, what is held after the one before."""

    def __init__(self, batches: Sequence[Batch], step: TrainStep) -> None:
        super().__init__(batches)
        self._step = step
        self.most = states_of(step)

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            self.note()
            yield batch

    def note(self) -> None:
        """Take what is held now into the most."""
        self.most = max(self.most, states_of(self._step), key=lambda states: states.total)


def _step(workload: Workload, model: Transformer, tracker: Tracker, cross_entropy: CrossEntropy, team: Team | None) -> TrainStep:
    optimizer = build_optimizer(model, workload.optimizer)
    step = TrainStep(
        model,
        optimizer,
        workload.precision,
        CLIP_NORM,
        torch.device("cpu"),
        recompute=workload.recompute,
        cross_entropy=cross_entropy,
        ranks=team or ALONE,
    )
    passed = step.loss.model
    step.loss.cross_entropy = _tracked(step.loss.cross_entropy, [*model.parameters(), *passed.parameters()], passed, tracker)
    if passed is not model:
        tracker.hold(model.parameters(), Component.MASTER_WEIGHTS)
        tracker.hold(passed.parameters(), Component.WEIGHTS)
    tracker.hold_gradients(parameter for parameter in passed.parameters() if not isinstance(parameter, DTensor))
    tracker.hold_states(optimizer)
    return step


def _begin_states(step: TrainStep) -> None:
    """Have the optimizer make its states, by an update with gradients of zero."""
    for weight in step.model.parameters():
        weight.grad = torch.zeros_like(weight)
    step.update(RATE)


def _tracked(cross_entropy: CrossEntropy, weights: list[nn.Parameter], passed: nn.Module, tracker: Tracker) -> CrossEntropy:
    """Return the loss, what it makes being told apart; with it, gradients of earlier micro-batches and weights gathered by then."""
    known = {id(weight) for weight in weights}

    def tracked(features: Tensor, head_weight: Tensor, *others: object) -> tuple[Tensor, Tensor]:
        tracker.hold((weight.grad for weight in weights if weight.grad is not None), Component.GRADIENTS)
        tracker.hold((weight for weight in passed.parameters() if id(weight) not in known), Component.GATHERED)
        with tracker.making(Component.LOGITS):
            return cross_entropy(features, head_weight, *others)  # type: ignore[arg-type]

    return tracked
