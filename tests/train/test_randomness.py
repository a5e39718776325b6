import numpy as np
import pytest

from groundup.train.randomness import mix, random_bits, uniforms

SEEDS = np.array([0, 1, 2**63, 2**64 - 1], dtype=np.uint64)
PLACES = np.arange(50_000)


def test_bits_are_the_same_on_every_machine():
    """Golden: a change here changes what resumed runs hide."""
    assert mix(np.array([1], dtype=np.uint64)).tolist() == [12994781566227106604]
    assert random_bits(SEEDS[:2], 3, np.arange(2)).tolist() == [874613760952923766, 3827025134276104882]


def test_bits_belong_to_seed_stream_and_place():
    grid = random_bits(SEEDS[:, None], 1, PLACES)
    assert np.array_equal(random_bits(SEEDS[2:3], 1, PLACES[7:9]), grid[2, 7:9])
    assert len(np.unique(grid)) == grid.size
    assert not np.intersect1d(grid, random_bits(SEEDS[:, None], 2, PLACES)).size


@pytest.mark.parametrize("stream", [0, 1, 7])
def test_uniforms_are_uniform(stream):
    drawn = uniforms(random_bits(SEEDS[:, None], stream, PLACES))
    assert 0 <= drawn.min() < drawn.max() < 1
    counts = np.histogram(drawn, 100, (0, 1))[0]
    expected = drawn.size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 99 + 6 * 14.1  # standard deviation of chi-squared: sqrt(2 x 99)


def test_streams_rows_and_neighbours_are_not_correlated():
    drawn = uniforms(random_bits(SEEDS[:, None], 0, PLACES))
    other = uniforms(random_bits(SEEDS[:, None], 1, PLACES))
    for one, two in ((drawn, other), (drawn[:1], drawn[1:2]), (drawn[:, :-1], drawn[:, 1:])):
        correlation = np.corrcoef(one.ravel(), two.ravel())[0, 1]
        assert abs(correlation) < 5 / one.size**0.5
