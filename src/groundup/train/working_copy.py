"""A model in bfloat16 beside the one in float32 that it is a copy of."""

import copy
from functools import partial

import torch
from torch import nn

from groundup.nn.classifier import Classifier
from groundup.nn.precision import hold_weights
from groundup.nn.transformer import Transformer


class WorkingCopy:
    """What passes run through where weights are held in bfloat16, beside the master copy that updates are added to.

    An update is smaller than a bfloat16's last digit can show, so it needs the master copy (Micikevicius et al. 2018, section 3.1).
    Gradients of the copy are added to the master's, in the master's dtype, as soon as each is whole, and are gone then. The copy
    follows from the master's weights alone, so a checkpoint holds these.
    """

    def __init__(self, master: Transformer | Classifier) -> None:
        self.model = copy.deepcopy(master)
        hold_weights(self.model, "bf16")
        self._master = master
        self._weights = list(zip(self.model.parameters(), master.parameters(), strict=True))
        for working, weight in self._weights:
            working.register_post_accumulate_grad_hook(partial(_hand_over, weight))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the master's weights anew."""
        self.model.train(self._master.training)
        for working, weight in self._weights:
            working.copy_(weight)

    def hand_over(self) -> None:
        """Add to the master's those gradients of working weights that no backward pass accumulated."""
        for working, weight in self._weights:
            if working.grad is not None:
                _hand_over(weight, working)


def _hand_over(master: nn.Parameter, working: nn.Parameter) -> None:
    """Add the gradient of a working weight to the master's."""
    gradient, working.grad = working.grad, None
    assert gradient is not None, "called when it is there"
    if master.grad is None:
        master.grad = gradient.to(master.dtype)
    else:
        master.grad.add_(gradient)
