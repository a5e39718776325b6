import pytest
import torch

from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, build_model
from groundup.train.batch import Batch
from groundup.train.config import RunPrecision
from groundup.train.loss import IGNORE
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import StepResult, TrainStep

CONFIG = ModelConfig(vocab_size=61, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, ffn_dim=64, max_seq_len=32)
CPU = torch.device("cpu")
SUMMATION_ORDER = 1e-6  # float32 sums over one batch of 8 against four of 2
OTHER_MACHINES = 1e-4  # 20 updates amplify the rounding of another BLAS
BF16 = 0.02  # 8 significant bits in every product
GOLDEN = [
    *(4.129918, 4.081556, 4.064971, 3.971752, 3.911031, 3.899323, 3.858164, 3.731848, 3.676335, 3.582474),
    *(3.510864, 3.500603, 3.430167, 3.348118, 3.279891, 3.24232, 3.183023, 3.119447, 3.075811, 3.02104),
]


def train_step(precision: RunPrecision = "fp32", clip_norm: float = 1.0) -> TrainStep:
    model = build_model(CONFIG)
    model.init_weights(torch.Generator().manual_seed(7))
    return TrainStep(model, build_optimizer(model, OptimizerConfig()), precision, clip_norm, CPU)


def batch(seed: int = 0, rows: int = 8) -> Batch:
    """Sequences that count up in strides of 1 to 5: something to learn."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 61, (rows, 1), generator=generator)
    strides = torch.randint(1, 6, (rows, 1), generator=generator)
    tokens = (starts + strides * torch.arange(33)) % 61
    return Batch(Inputs(tokens[:, :-1].contiguous()), tokens[:, 1:].contiguous())


def split(whole: Batch, rows: int) -> list[Batch]:
    return [
        Batch(Inputs(tokens), targets)
        for tokens, targets in zip(whole.inputs.tokens.split(rows), whole.targets.split(rows), strict=True)
    ]


def losses(step: TrainStep, count: int = 20) -> list[float]:
    return [step([batch(number)], 3e-3).loss for number in range(count)]


def test_golden_losses() -> None:
    """A fixed model, data and seed: any change of initialisation, model, loss or optimizer shows here."""
    assert losses(train_step()) == pytest.approx(GOLDEN, rel=OTHER_MACHINES)


@pytest.mark.parametrize("precision", ["bf16", "bf16_weights"])
def test_bf16_follows_fp32_and_keeps_fp32_weights(precision: RunPrecision) -> None:
    step = train_step(precision)
    assert losses(step) == pytest.approx(GOLDEN, rel=BF16)
    assert {p.dtype for p in step.model.parameters()} == {torch.float32}
    assert {v.dtype for state in step.optimizer.state.values() for v in state.values()} == {torch.float32}


def test_overfits_one_batch() -> None:
    step = train_step()
    for _ in range(150):
        result = step([batch(rows=4)], 3e-3)
    assert result.loss < 0.1


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_accumulation_equals_the_large_batch(rows: int) -> None:
    whole, parts = train_step(), train_step()
    uneven = batch()
    uneven.targets[0, 5:] = IGNORE
    uneven.targets[3, :] = IGNORE
    for _ in range(3):
        expected, result = whole([uneven], 1e-3), parts(split(uneven, rows), 1e-3)
        assert result.targets == expected.targets == int((uneven.targets != IGNORE).sum())
        assert result.loss == pytest.approx(expected.loss, rel=SUMMATION_ORDER)
        assert result.grad_norm == pytest.approx(expected.grad_norm, rel=10 * SUMMATION_ORDER)


def test_loss_is_the_mean_over_valid_tokens() -> None:
    step, data = train_step(), batch()
    data.targets[2:, :] = IGNORE
    with torch.no_grad():
        logits = step.model(data.inputs)
    expected = torch.nn.functional.cross_entropy(logits[:2].flatten(0, 1), data.targets[:2].flatten())
    assert step([data], 1e-3).loss == pytest.approx(expected.item(), rel=SUMMATION_ORDER)


def test_reports_the_norm_before_clipping_and_updates_by_the_clipped_gradient() -> None:
    def first(clip_norm: float) -> tuple[StepResult, torch.Tensor]:
        step = train_step(clip_norm=clip_norm)
        result = step([batch()], 1e-3)
        moment = step.optimizer.state[step.model.decoder.norm.weight]["exp_avg"]
        return result, moment

    free, moment = first(1e9)
    clipped, clipped_moment = first(free.grad_norm / 4)
    assert clipped.grad_norm == pytest.approx(free.grad_norm)
    torch.testing.assert_close(clipped_moment, moment / 4, rtol=1e-5, atol=0)


def test_first_loss_is_near_ln_vocab() -> None:
    assert train_step()([batch()], 1e-3).loss == pytest.approx(torch.tensor(61.0).log().item(), abs=0.1)
