"""The example of CONTRIBUTING.md works as it stands."""

import re
from pathlib import Path

import pytest
import torch

import models
from groundup.nn.config import ModelConfig
from groundup.nn.positions import POSITIONS
from groundup.nn.transformer import build_model

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
LENGTHS = (20, 1, 40)
IDS = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS)).expand(2, -1)


def test_the_position_of_the_example_is_a_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short enough, and through a model it leaks nothing between packed documents."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(code.splitlines()) < 80
    names: dict[str, object] = {}
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(POSITIONS, "alibi", names["KerplePosition"])  # in the place of a name that settings know
    config: ModelConfig = models.small_config(position="alibi")
    model = build_model(config)
    model.init_weights(torch.Generator().manual_seed(0))
    tokens = models.some_tokens(2, sum(LENGTHS))
    packed = model(models.some_inputs("decoder", tokens, IDS)).split(LENGTHS, dim=1)
    for part, document in zip(packed, tokens.split(LENGTHS, dim=1), strict=True):
        torch.testing.assert_close(part, model(models.some_inputs("decoder", document)), rtol=0, atol=1e-5)
    packed[0].sum().backward()
    assert model.decoder.position.bias_weight.grad.abs().sum() > 0
