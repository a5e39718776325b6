import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig
from groundup.train.parallel.tensor.sizes import check_tensor

SIZES = {"vocab_size": 100, "dim": 48, "num_layers": 1, "num_heads": 12, "num_kv_heads": 4, "ffn_dim": 96, "max_seq_len": 64}


@pytest.mark.parametrize(
    ("changes", "tp", "message"),
    [
        ({}, 3, r"parallel.tp=3 does not divide model.num_kv_heads=4 and model.max_seq_len=64; .*parallel.tp=2"),
        ({}, 8, r"parallel.tp=8 does not divide model.num_heads=12 and model.num_kv_heads=4; .*parallel.tp=4"),
        ({"ffn_dim": 98}, 4, r"parallel.tp=4 does not divide model.ffn_dim=98; .*parallel.tp=2"),
        ({"max_seq_len": 63}, 2, r"parallel.tp=2 does not divide model.max_seq_len=63; .*parallel.tp=1"),
        ({"vocab_size": 9}, 4, r"parallel.tp=4 leaves a rank without rows of model.vocab_size=9; .*parallel.tp=2"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_nearest_that_can(changes: dict[str, int], tp: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_tensor(ModelConfig.parse(SIZES | changes, "here"), tp)


@given(st.integers(1, 8), st.sampled_from([1, 2, 4]))
def test_what_divides_is_taken_whatever_the_vocabulary(vocab_size: int, tp: int) -> None:
    check_tensor(ModelConfig.parse(SIZES | {"vocab_size": 100 + vocab_size}, "here"), tp)
