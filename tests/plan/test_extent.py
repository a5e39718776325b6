from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.plan.extent import extent_of, most_steps
from groundup.train.config import TrainConfig

MODEL = ModelConfig(vocab_size=350, dim=16, num_layers=1, num_heads=2, num_kv_heads=2, ffn_dim=32, max_seq_len=16)
WORKLOAD = Workload(MODEL, "fp32", "sdpa", 2, 8, RowLengths.causal(16), document_mask=True)


def config(**changes: Any) -> TrainConfig:
    return TrainConfig.model_validate({"seq_len": 16, "batch_tokens": 128, **changes})


def test_steps_that_are_alike_are_whole() -> None:
    extent = extent_of(config(), 50, WORKLOAD)
    assert (extent.steps, extent.whole_steps, extent.tokens) == (50, 50.0, 6400)


def test_smaller_batches_take_their_share() -> None:
    extent = extent_of(config(batch_ramp={"start_tokens": 32, "over_tokens": 480}), 50, WORKLOAD)
    windows = 5 * 2 + 3 * 4 + 2 * 6 + 40 * 8
    assert extent.whole_steps == pytest.approx(windows / 8)
    assert extent.tokens == 16 * windows


def test_shorter_rows_spare_scores_alone() -> None:
    """Of 6 N + 12 L d s FLOPs a token (estimate/flops.py) the second term falls with s."""
    lengths = [{"seq_len": 4, "until_fraction": 0.5}]
    extent = extent_of(config(lengths=lengths), 50, WORKLOAD)
    matrices, scores = 6 * (4 * 16 * 16 + 3 * 16 * 32 + 350 * 16), 12 * 16
    shorter = (matrices + 4 * scores) / (matrices + 16 * scores)
    assert extent.whole_steps == pytest.approx(25 + 25 * shorter)
    assert extent.tokens == 6400


@given(limit=st.integers(0, 10**7))
def test_most_steps_finds_the_border(limit: int) -> None:
    assert most_steps(lambda steps: steps <= limit) == limit
