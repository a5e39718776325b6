"""What stands in the place of torch's own in a world of which one rank exists."""

import pytest
import torch
from torch.distributed.fsdp._fully_shard._fsdp_common import _chunk_with_empty

from groundup.plan.simulate.fake import Parts


@pytest.mark.parametrize(
    ("shape", "ranks", "dim"), [((12, 2), 4, 0), ((10, 2), 4, 0), ((9,), 4, 0), ((3, 2), 8, 0), ((2, 7), 3, 1)]
)
def test_parts_are_those_that_fsdp_makes(shape: tuple[int, ...], ranks: int, dim: int) -> None:
    whole = torch.arange(float(torch.Size(shape).numel())).view(shape)
    parts, made = Parts(whole, ranks, dim), _chunk_with_empty(whole, ranks, dim)
    assert len(parts) == len(made)
    for part, other in zip(parts, made, strict=True):
        assert part.shape == other.shape
        assert torch.equal(part, other)
    assert [part.shape for part in parts[1:3]] == [other.shape for other in made[1:3]]
