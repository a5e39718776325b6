from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from torch.distributed import distributed_c10d

from groundup.plan.simulate.fake import fake_world
from groundup.train.parallel.config import Layout
from groundup.train.parallel.groups import along, among
from groundup.train.parallel.mesh import PLACES, Mesh

RANK = 5


@pytest.fixture
def eight() -> Iterator[None]:
    """Be one of eight ranks."""
    with fake_world(8, RANK):
        yield


def ranks_of(group: dist.ProcessGroup | None) -> list[int]:
    assert group is not None
    return dist.get_process_group_ranks(group)


def number_of_groups() -> int:
    return len(distributed_c10d._world.pg_map)


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        ({"dp": 8}, 2),
        ({"dp": 8, "zero": 3}, 2),
        ({"dp": 8, "zero": 3, "sharding_factor": 2}, 4),
        ({"pp": 8}, 2),
        ({"dp": 4, "tp": 2, "zero": 1}, 4),
        ({"dp": 2, "cp": 2, "tp": 2, "zero": 2}, 6),
        ({"dp": 2, "pp": 2, "tp": 2}, 5),
    ],
)
def test_a_rank_is_in_the_world_by_itself_and_in_a_group_for_each_axis_between(
    eight: None, settings: dict[str, Any], groups: int
) -> None:
    """Another team of the same processes makes no groups of its own."""
    layout = Layout.parse(settings, "parallel")
    for _ in range(2):
        mesh = Mesh.of(layout)
        mesh.readers()
        assert number_of_groups() == groups
    for axis, size in zip(PLACES, mesh.ranks.shape, strict=True):
        assert len(ranks_of(mesh.group(axis))) == size
        assert RANK in ranks_of(mesh.group(axis))


def test_an_axis_has_the_ranks_that_differ_along_it_alone(eight: None) -> None:
    mesh = Mesh.of(Layout(dp=2, pp=2, tp=2, zero=1))
    assert ranks_of(mesh.group("tp")) == [4, 5]
    assert ranks_of(mesh.gradients.get_group("shard")) == ranks_of(mesh.rows.get_group("shard")) == [5, 7]
    assert ranks_of(mesh.group("pp")) == [1, 5]
    assert ranks_of(mesh.part_of("pp", (0, 1))) == [1, 5]
    assert ranks_of(mesh.part_of("pp", (1,))) == [5]
    assert mesh.part_of("pp", (0,)) is None


def test_groups_of_the_same_ranks_are_one(eight: None) -> None:
    ranks = np.arange(8).reshape(2, 2, 2)
    assert along(ranks, 0) is along(np.moveaxis(ranks, 1, 2), 0) is among(np.arange(8).reshape(2, 4).T)
    assert along(ranks, 0, 1, 2) is dist.group.WORLD
    assert ranks_of(along(ranks, 0, 2)) == [0, 1, 4, 5]


def test_another_world_has_groups_of_its_own() -> None:
    found = []
    for _ in range(2):
        with fake_world(8, RANK):
            found.append(Mesh.of(Layout(dp=4, tp=2)).group("tp"))
    assert found[0] is not found[1]
