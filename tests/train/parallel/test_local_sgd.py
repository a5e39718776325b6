import pytest
import torch

import islands
import launches
from groundup.core.errors import ArtifactError, ConfigError
from groundup.train.healing.config import HealingConfig
from groundup.train.healing.ladder import Healing
from groundup.train.parallel.config import Layout
from groundup.train.state import RunState

EXACT = 1e-10
"""In float64, after steps of AdamW, which makes much of rounding."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    """What four processes find of islands, beside a simulation of them in one."""
    return launches.cases(4, islands.__file__)


@pytest.mark.parametrize("case", [*islands.CASES, *(f"{case}, resumed between exchanges" for case in islands.RESUMED)])
def test_islands_end_in_the_weights_of_a_simulation_of_all_of_them(found: dict[str, dict[str, float]], case: str) -> None:
    """Weights, those of every rank, are compared after the last exchange; the losses of all steps, also between exchanges."""
    assert found[case]["loss"] <= EXACT
    assert found[case]["weights"] <= EXACT
    assert found[case]["moved"] > 1e-4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dp": 3, "local_sgd": {"islands": 2}}, r"local_sgd\.islands=2 does not divide dp=3"),
        ({"dp": 4, "zero": 1, "sharding_factor": 4, "local_sgd": {"islands": 2}}, "sharding_factor=4 with zero=1"),
        ({"dp": 4, "zero": 3, "sharding_factor": 4, "local_sgd": {"islands": 2}}, r"does not divide dp / local_sgd\.islands = 2"),
        ({"dp": 2, "precision": "fp16", "local_sgd": {"islands": 2}}, "set bf16"),
        ({"dp": 2, "local_sgd": {"islands": 1}}, "islands"),
    ],
)
def test_what_islands_cannot_be_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Layout.parse(data, "parallel")


def test_states_are_shared_within_an_island() -> None:
    for zero in (1, 2, 3):
        assert Layout.parse({"dp": 8, "zero": zero, "local_sgd": {"islands": 2}}, "parallel").shards == 4


def test_a_checkpoint_of_islands_goes_on_with_as_many() -> None:
    model = torch.nn.Linear(2, 2)
    run = RunState(model, torch.optim.SGD(model.named_parameters(), lr=1.0), Healing(HealingConfig()))
    with pytest.raises(ArtifactError, match=r"a checkpoint of 4 islands .*local_sgd\.islands is 1 now"):
        run.load(run.weights(), run.tensors(), {**run.facts(), "islands": 4})
