from typing import get_args

import pytest
import torch
from torch import Tensor, nn

import models
from groundup.nn.transformer import Inputs
from groundup.train.optim.config import Decayed, OptimizerConfig
from groundup.train.optim.groups import RATE_SCALE, set_learning_rate, trained_parameters
from groundup.train.optim.table import build_optimizer
from toys import toy


def test_roles() -> None:
    model = models.small_model(**{**models.FAMILIES["bert"], "tie_embeddings": False})
    roles = {trained.name: trained.role for trained in trained_parameters(model)}
    assert set(roles) == {name for name, _ in model.named_parameters()}
    assert {name for name, role in roles.items() if role == "embeddings"} == {
        "embedding.weight",
        "segments.weight",
        "encoder.position.table.weight",
    }
    assert {name for name, role in roles.items() if role == "head"} == {"head.output.weight", "head.features.0.dense.weight"}
    matrices = {name for name, role in roles.items() if role == "matrices"}
    assert len(matrices) == 2 * 6
    assert all(".blocks." in name and name.endswith("weight") for name in matrices)
    assert all(name.endswith("bias") for name, role in roles.items() if role == "biases")
    assert all("norm" in name and name.endswith("weight") for name, role in roles.items() if role == "norms")


def test_frozen_parameters_are_left_out_and_shared_ones_come_once() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    module.append(nn.Linear(2, 2, bias=False))
    module[2].weight = module[1].weight
    assert [trained.name for trained in trained_parameters(module)] == ["1.weight", "1.bias"]


def decays(**settings: object) -> dict[str, float]:
    optimizer = build_optimizer(toy(), OptimizerConfig.parse(settings, "test"))
    return {name: group["weight_decay"] for group in optimizer.param_groups for name in group["param_names"]}


@pytest.mark.parametrize("name", ["adamw", "adafactor", "muon", "lion"])
def test_decay_acts_on_matrices_alone(name: str) -> None:
    assert {key for key, decay in decays(name=name).items() if decay == 0.1} == {"0.weight", "1.weight", "3.weight", "4.weight"}


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("matrices", {"1.weight", "3.weight", "4.weight"}),
        ("embeddings", {"0.weight"}),
        ("norms", {"2.weight"}),
        ("biases", {"1.bias", "2.bias", "3.bias", "4.bias"}),
    ],
)
def test_decay_acts_on_what_is_asked_for(role: str, expected: set[str]) -> None:
    assert role in get_args(Decayed)
    assert {key for key, decay in decays(decayed=[role], weight_decay=0.2).items() if decay == 0.2} == expected


def test_decay_of_matrices_is_that_of_the_head_too() -> None:
    model = models.small_model(tie_embeddings=False)
    optimizer = build_optimizer(model, OptimizerConfig(decayed=("matrices",)))
    decay = {name: group["weight_decay"] for group in optimizer.param_groups for name in group["param_names"]}
    assert (decay["head.output.weight"], decay["embedding.weight"]) == (0.1, 0.0)


def rate_scales(**settings: object) -> dict[str, float]:
    model = models.small_model(dim=32)
    optimizer = build_optimizer(model, OptimizerConfig.parse({"name": "muon", **settings}, "test"))
    set_learning_rate(optimizer, 2.0)
    assert all(group["lr"] == 2 * group[RATE_SCALE] for group in optimizer.param_groups)
    return {name: group[RATE_SCALE] for group in optimizer.param_groups for name in group["param_names"]}


@pytest.mark.parametrize(
    ("settings", "ratio"),
    [
        ({}, 1.0),
        ({"learning_rate": 0.01}, 1.0),
        ({"learning_rate": 0.01, "adamw_learning_rate": 0.002}, 0.2),
        ({"adamw_learning_rate": 0.25 / 32}, 0.5),
        ({"rate_adjustment": "original"}, 0.5 / 32 / 0.02),
        ({"rate_adjustment": "original", "learning_rate": 0.05, "adamw_learning_rate": 0.001}, 0.02),
    ],
)
def test_what_muon_leaves_to_adamw_has_a_rate_of_its_own(settings: dict[str, object], ratio: float) -> None:
    scales = rate_scales(**settings)
    assert scales.pop("embedding.weight") == pytest.approx(ratio)
    for name, scale in scales.items():
        assert scale == pytest.approx(ratio if "norm" in name else 1.0), name


def change_of_a_product(dim: int, optimizer_config: OptimizerConfig, rate: float, **changes: object) -> float:
    """Return by how much one step changes what a hidden matrix makes of its inputs, root mean square."""
    model = models.small_model(dim=dim, ffn_dim=2 * dim, num_heads=dim // 16, num_kv_heads=dim // 16, **changes)
    matrix = model.decoder.blocks[1].feed_forward.up
    given: list[Tensor] = []
    matrix.register_forward_hook(lambda _, inputs, output: given.append(inputs[0].detach()))
    before, tokens = matrix.weight.detach().clone(), models.some_tokens(8, 32)
    optimizer = build_optimizer(model, optimizer_config)
    set_learning_rate(optimizer, rate)
    logits = model(Inputs(tokens[:, :-1]))
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()
    return (given[0] @ (matrix.weight - before).T).square().mean().sqrt().item()


MUP = [
    {"name": "adam"},
    {"name": "adamw"},
    {"name": "lion"},
    {"name": "adafactor"},
    {"name": "adafactor", "scale_parameter": False, "relative_step": False},
    {"name": "muon"},
    {"name": "muon", "rate_adjustment": "original"},
]


@pytest.mark.parametrize("settings", MUP, ids=lambda settings: "-".join(map(str, settings.values())))
def test_mup_steps_change_the_model_alike_at_any_width(settings: dict[str, object]) -> None:
    """A step of Adam moves a product by the width times the learning rate (Yang et al. 2022, appendix J.2.1): mup divides by it."""
    decay = {} if settings["name"] == "adam" else {"weight_decay": 0.0}
    config = OptimizerConfig.parse({**settings, **decay}, "test")
    plain = [change_of_a_product(dim, config, 1e-3) for dim in (64, 512)]
    scaled = [change_of_a_product(dim, config, 1e-3, init="mup", mup_base_dim=64) for dim in (64, 512)]
    assert scaled[0] == pytest.approx(plain[0])
    assert 1 / 1.5 < scaled[1] / scaled[0] < 1.5
