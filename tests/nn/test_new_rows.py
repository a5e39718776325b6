"""Rows of new tokens are means of the rows of what they stand for."""

import pytest
import torch
from torch import nn

from groundup.core.errors import ConfigError
from groundup.nn.new_rows import with_new_rows

PIECES = {5: (0, 3), 6: (1, 1, 4), 7: (2,)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_are_means_and_old_ones_stay(dtype: torch.dtype) -> None:
    weight = nn.Parameter(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).to(dtype))
    grown = with_new_rows(weight, PIECES)
    assert grown.shape == (8, 8)
    assert grown.dtype == dtype
    assert not grown.requires_grad
    assert torch.equal(grown[:5], weight)
    for number, old in PIECES.items():
        mean = sum(weight[piece].detach().double() for piece in old) / len(old)
        torch.testing.assert_close(grown[number].double(), mean, rtol=2**-7 if dtype == torch.bfloat16 else 1e-6, atol=1e-6)


def test_rows_that_only_filled_up_become_those_of_new_tokens() -> None:
    weight = torch.arange(12.0).view(6, 2)
    grown = with_new_rows(weight, {4: (0, 1), 5: (2, 3)})
    assert grown.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [1, 2], [5, 6]]
    assert weight[4].tolist() == [8, 9]


@pytest.mark.parametrize(
    ("pieces", "message"),
    [({3: (9,)}, "token 9"), ({3: (0,), 4: (3,)}, "token 3"), ({5: (0,)}, "token 3 is neither"), ({3: (-1,)}, "-1")],
)
def test_what_has_no_rows_is_refused(pieces: dict[int, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_new_rows(torch.zeros(3, 2), pieces)


def test_nothing_new_is_a_copy() -> None:
    weight = torch.ones(3, 2)
    grown = with_new_rows(weight, {})
    assert torch.equal(grown, weight)
    assert grown.data_ptr() != weight.data_ptr()
