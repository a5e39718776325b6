"""The model that passes run through where it is not the one that is updated."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from groundup.nn.classifier import Classifier
from groundup.nn.transformer import Transformer

Model = TypeVar("Model", bound=nn.Module)


class StandIn(ABC):
    """A model that passes run through in place of the one that is updated, which holds what its weights follow from."""

    model: Transformer | Classifier

    @abstractmethod
    def refresh(self) -> None:
        """Let its weights be those of the model that is updated."""

    @abstractmethod
    def hand_over(self) -> None:
        """Add to the gradients of the model that is updated those that no backward pass accumulated."""


class WorkingCopy(StandIn):
    """What passes run through where weights are held in bfloat16, beside the master copy that updates are added to.

    An update is smaller than a bfloat16's last digit can show, so it needs the master copy (Micikevicius et al. 2018, section 3.1).
    Gradients of the copy are added to the master's as soon as each is whole, and are gone then; those are held in `gradients`, or
    in the master's dtype. The copy follows from the master's weights alone, so a checkpoint holds these.
    """

    def __init__(self, master: Transformer | Classifier, gradients: torch.dtype | None = None) -> None:
        rounded = {weight: nn.Parameter(weight.detach().bfloat16(), weight.requires_grad) for weight in master.parameters()}
        self.model = with_weights(master, rounded)
        self._master = master
        self._gradients = gradients
        self._weights = [(working, weight) for weight, working in rounded.items()]
        for working, weight in self._weights:
            if weight.requires_grad:
                weight.grad_dtype = None  # any
                hand_over = partial(_hand_over, weight, gradients or weight.dtype)
                working.register_post_accumulate_grad_hook(hand_over)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the master's weights anew."""
        self.model.train(self._master.training)
        for working, weight in self._weights:
            working.copy_(weight)

    def hand_over(self) -> None:
        for working, weight in self._weights:
            if working.grad is not None:
                _hand_over(weight, self._gradients or weight.dtype, working)


def with_weights(model: Model, weights: Mapping[nn.Parameter, nn.Parameter]) -> Model:
    """Return a copy of the modules around other weights; those that are not named are shared."""
    return copy.deepcopy(model, {id(weight): weights.get(weight, weight) for weight in model.parameters()})


def _hand_over(master: nn.Parameter, dtype: torch.dtype, working: nn.Parameter) -> None:
    """Add the gradient of a working weight to the master's, which is held in `dtype`."""
    gradient, working.grad = working.grad, None
    assert gradient is not None, "called when it is there"
    if master.grad is None:
        master.grad = gradient.to(dtype)
    else:
        master.grad.add_(gradient)
