import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.train.parallel.config import Layout


def test_bloom_takes_all_its_devices() -> None:
    """BLOOM, Le Scao et al. 2022, section 3.4: 384 A100."""
    assert Layout(dp=8, tp=4, pp=12, zero=1).world_size == 384


@given(st.integers(1, 64), st.sampled_from([0, 1, 2, 3]))
def test_without_a_factor_all_data_parallel_ranks_share(dp: int, zero: int) -> None:
    layout = Layout.parse({"dp": dp, "zero": zero}, "here")
    assert layout.shards == (dp if zero else 1)


@given(st.integers(1, 64), st.integers(1, 64))
def test_a_factor_divides_the_ranks_that_share(dp: int, factor: int) -> None:
    data = {"dp": dp, "zero": 3, "sharding_factor": factor}
    if dp % factor == 0:
        assert Layout.parse(data, "here").shards == factor
    else:
        with pytest.raises(ConfigError, match=rf"sharding_factor={factor} does not divide dp={dp}; the nearest below"):
            Layout.parse(data, "here")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dp": 4, "zero": 1, "sharding_factor": 2}, "sharding_factor=2 with zero=1 and dp=4 has no meaning"),
        ({"dp": 4, "sharding_factor": 4}, "no effect with zero=0"),
        ({"schedule": "1f1b"}, "schedule='1f1b' has no effect with pp=1"),
        ({"dp": 2, "zero": 2, "reshard_after_forward": True}, "reshard_after_forward=true has no effect with zero=2"),
        ({"dp": 2, "gradients": "bf16"}, "gradients=bf16 has no effect with precision=bf16"),
        ({"dp": 2, "zero": 3, "gradients": "bf16", "precision": "bf16_weights"}, "no effect with dp=2 and zero=3"),
        ({"gradients": "bf16", "precision": "bf16_weights"}, "no effect with dp=1 and zero=0"),
        ({"tp": 0}, "tp"),
        ({"zero": 4}, "zero"),
    ],
)
def test_what_has_no_meaning_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Layout.parse(data, "here")
