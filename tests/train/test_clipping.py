import pytest
import torch
from torch import nn

from groundup.train.clipping import clip_gradients
from groundup.train.config import TrainConfig


def parameters() -> list[nn.Parameter]:
    """Return parameters with gradients of global norm 13, and one without."""
    found = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    found[0].grad, found[1].grad = torch.tensor([3.0, -4.0, 0.0]), torch.tensor([12.0])
    return found


@pytest.mark.parametrize(
    ("max_norm", "max_value", "expected"),
    [
        (6.5, None, [[1.5, -2.0, 0.0], [6.0]]),
        (20.0, None, [[3.0, -4.0, 0.0], [12.0]]),
        (None, 3.5, [[3.0, -3.5, 0.0], [3.5]]),
        (None, None, [[3.0, -4.0, 0.0], [12.0]]),
    ],
)
def test_gradients_are_bounded(max_norm: float | None, max_value: float | None, expected: list[list[float]]) -> None:
    trained = parameters()
    assert clip_gradients(trained, max_norm, max_value).item() == pytest.approx(13.0)
    for parameter, values in zip(trained, expected, strict=False):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, torch.tensor(values))
    assert trained[2].grad is None


def test_by_norm_is_torchs() -> None:
    ours, torchs = parameters(), parameters()
    norm = torch.nn.utils.clip_grad_norm_(torchs, 1.0)
    assert torch.equal(clip_gradients(ours, 1.0, None), norm)
    for one, other in zip(ours[:2], torchs[:2], strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize(
    ("given", "norm", "value"),
    [
        ({}, 1.0, None),
        ({"clip_norm": 0.5}, 0.5, None),
        ({"clip_value": 0.5}, None, 0.5),
        ({"clip_norm": None, "clip_value": 0.5}, None, 0.5),
        ({"clip_norm": None}, None, None),
    ],
)
def test_settings(given: dict[str, float | None], norm: float | None, value: float | None) -> None:
    config = TrainConfig.parse(given, "test")
    assert (config.clip_norm, config.clip_value) == (norm, value)
    assert TrainConfig.parse(config.model_dump(mode="json"), "again") == config
