"""The loss where each rank has some rows of the head, so that nowhere are all logits together."""

from functools import partial

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from groundup.train.loss import IGNORE, CrossEntropy, linear_cross_entropy
from groundup.train.parallel.tensor.exchange import Peers
from groundup.train.parallel.tensor.sizes import vocabulary_rows


def vocabulary_cross_entropy(peers: Peers, vocab_size: int) -> CrossEntropy:
    """Return `linear_cross_entropy` for a head whose rows are shared (Shoeybi et al. 2019, section 3); all get the loss.

    The gradient of the features is each rank's share of it: their sum over the ranks is the gradient.
    """
    first = peers.rank * vocabulary_rows(vocab_size, peers.size)
    return partial(linear_cross_entropy, kernel=partial(_some_logits_loss, peers.group, first))


def _some_logits_loss(
    group: dist.ProcessGroup,
    first: int,
    logits: Float[Tensor, "rows some"],
    targets: Int[Tensor, " rows"],
    soft_cap: float | None,
    z_weight: float,
    wants_grad: bool,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "rows some"] | None]:
    """Return what `logits_loss` does, given the logits of the tokens from `first` on: the gradient is of these.

    Ranks exchange three numbers a row: its maximum, its sum of exponentials, and the logit of its target.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    wide = logits.to(exact)
    capped = wide if soft_cap is None else soft_cap * torch.tanh(wide / soft_cap)
    valid = targets != IGNORE
    at = targets - first
    is_here = valid & (at >= 0) & (at < logits.shape[1])
    chosen = at.where(is_here, 0)[:, None]
    top = capped.amax(-1)
    dist.all_reduce(top, op=dist.ReduceOp.MAX, group=group)
    shares = (capped - top[:, None]).exp_()
    sums = torch.stack((shares.sum(-1), (capped.gather(1, chosen)[:, 0] - top).masked_fill(~is_here, 0)))
    dist.all_reduce(sums, group=group)
    total, right = sums  # of exponentials, and the logit of the target, both relative to the maximum
    loss = (total.log() - right).masked_fill(~valid, 0).sum()
    log_z = top + total.log()
    penalty = z_weight * log_z.square().masked_fill(~valid, 0).sum()
    if not wants_grad:
        return loss, penalty, None
    grad = shares.mul_(((1 + 2 * z_weight * log_z) / total)[:, None])
    grad.scatter_add_(1, chosen, -is_here[:, None].to(exact))
    if soft_cap is not None:
        grad.mul_(1 - (capped / soft_cap).square())
    return loss, penalty, grad.masked_fill_(~valid[:, None], 0).to(logits.dtype)
