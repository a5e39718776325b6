"""A tracked training step."""

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from groundup.estimate.workload import Workload
from groundup.nn.transformer import Transformer, build_model
from groundup.plan.probe import made_up_batch
from groundup.plan.simulate.answers import Answers
from groundup.plan.simulate.losses import LOSSES, LossName
from groundup.plan.simulate.tracker import Component, Tracker
from groundup.plan.simulate.wrapping import OwnShards, replicate, share_weights
from groundup.train.loss import CrossEntropy
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

CLIP_NORM, RATE = 1.0, 1e-3


def tracked_step(workload: Workload, loss: LossName, is_parallel: bool, mesh: DeviceMesh | None) -> dict[str, int]:
    """Return the most bytes held during an update and a step after it, by component [bytes].

    Parallel ranks hold a copy each, or, along a mesh, shards.
    """
    model = build_model(workload.model, workload.attention)
    if mesh is not None:
        share_weights(model, mesh, workload.precision)
    tracker = Tracker()
    tracker.hold(model.buffers(), Component.TEMPORARIES)
    tracker.hold(model.parameters(), Component.WEIGHTS)
    with tracker, Answers(workload.predicted_tokens):
        replicas = replicate(model, tracker) if is_parallel and mesh is None else None
        step = _step(workload, model, tracker, LOSSES[loss], mesh)
        if is_parallel:
            model.embedding.sparse = False  # collectives take dense gradients alone
        _begin_states(step)
        step([made_up_batch(workload)] * workload.num_micro_batches, RATE)
    del replicas
    return tracker.peak


def _step(
    workload: Workload, model: Transformer, tracker: Tracker, cross_entropy: CrossEntropy, mesh: DeviceMesh | None
) -> TrainStep:
    optimizer = build_optimizer(model, workload.optimizer)
    by_policy = mesh is not None and workload.precision == "bf16"
    step = TrainStep(
        model,
        optimizer,
        "fp32" if by_policy else workload.precision,  # of products; what is gathered in bfloat16 needs no autocast
        CLIP_NORM,
        torch.device("cpu"),
        recompute=workload.recompute,
        cross_entropy=_tracked(cross_entropy, model, tracker, mesh is not None),
    )
    if mesh is not None:
        shards = OwnShards(model)
        shards.give_to(optimizer)
        step.model = shards  # type: ignore[assignment]
    elif step.loss.model is not model:
        tracker.hold(model.parameters(), Component.MASTER_WEIGHTS)
        tracker.hold(step.loss.model.parameters(), Component.WEIGHTS)
    else:
        tracker.hold_gradients(model.parameters())
    tracker.hold_states(optimizer)
    return step


def _begin_states(step: TrainStep) -> None:
    """Have the optimizer make its states, by an update with gradients of zero."""
    for weight in step.model.parameters():
        weight.grad = torch.zeros_like(weight)
    step.update(RATE)


def _tracked(cross_entropy: CrossEntropy, model: Transformer, tracker: Tracker, is_sharded: bool) -> CrossEntropy:
    """Return the loss, what it makes being told apart; with it, gradients of earlier micro-batches and weights gathered by then."""
    updated = list(model.parameters())

    def tracked(features: Tensor, head_weight: Tensor, *others: object) -> tuple[Tensor, Tensor]:
        tracker.hold((weight.grad for weight in updated if weight.grad is not None), Component.GRADIENTS)
        if is_sharded:
            gathered = (weight for weight in model.parameters() if not isinstance(weight, DTensor))
            tracker.hold(gathered, Component.GATHERED)
        with tracker.making(Component.LOGITS):
            return cross_entropy(features, head_weight, *others)  # type: ignore[arg-type]

    return tracked
