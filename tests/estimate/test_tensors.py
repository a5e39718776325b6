"""Roles and shapes against those of real models."""

from collections import Counter

import pytest

import models
from groundup.estimate.parameters import total_parameters
from groundup.estimate.tensors import parameter_tensors
from groundup.train.optim.groups import trained_parameters

EXTRAS = [
    {"qk_norm": True, "norm": "layer", "bias": True},
    {"norm": "rms_plain", "residual": "parallel_shared"},
    {"residual": "sandwich", "norm": "layer_no_bias"},
    {"head_dim": 16, "tie_embeddings": False, "feed_forward": "relu"},
]


@pytest.mark.parametrize("changes", [*models.FAMILIES.values(), *EXTRAS], ids=[*models.FAMILIES, *map(str, range(len(EXTRAS)))])
def test_tensors_are_those_of_the_model(changes: dict[str, object]) -> None:
    config = models.small_config(**changes)
    expected = Counter(
        (trained.role, tuple(trained.parameter.shape)) for trained in trained_parameters(models.small_model(**changes))
    )
    found: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for role, shape, count in parameter_tensors(config):
        found[role, shape] += count
    assert +found == expected
    assert sum(count * size for (_, shape), count in found.items() for size in [_product(shape)]) == total_parameters(config)


def _product(shape: tuple[int, ...]) -> int:
    return shape[0] * (shape[1] if len(shape) > 1 else 1)
