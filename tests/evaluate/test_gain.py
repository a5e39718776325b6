"""What a mixture saves, against a search written out, and where it must save nothing or everything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.evaluate.gain import SHARES, mixture_gain

PROBS = st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=30)


@given(data=st.data())
def test_equals_a_search_written_out(data: st.DataObject) -> None:
    model = np.array(data.draw(PROBS))
    bigram = np.array(data.draw(st.lists(st.floats(1e-6, 1.0), min_size=len(model), max_size=len(model))))
    half = len(model) // 2
    parts = ((model[:half], bigram[:half]), (model[half:], bigram[half:]))
    bits = 0.0
    for tuned, scored in (parts, parts[::-1]):
        sums = [sum(-np.log2((1 - s) * p + s * q) for p, q in zip(*tuned, strict=True)) for s in SHARES]
        s = SHARES[int(np.argmin(sums))]
        bits += sum(-np.log2((1 - s) * p + s * q) for p, q in zip(*scored, strict=True))
    found = mixture_gain(model, bigram)
    assert found.bits_mixed == pytest.approx(bits, rel=1e-9, abs=1e-9)
    assert found.bits_alone == pytest.approx(-np.log2(model).sum(), rel=1e-9, abs=1e-9)


def test_a_model_gains_nothing_from_itself_or_from_less() -> None:
    model = np.random.default_rng(0).uniform(0.3, 0.9, 1000)
    assert mixture_gain(model, model).saved == pytest.approx(0, abs=1e-12)
    assert mixture_gain(model, model / 100).saved == 0
    assert mixture_gain(model, model / 100).share == 0


def test_what_knows_more_saves_most_of_the_bits() -> None:
    rng = np.random.default_rng(0)
    model, bigram = rng.uniform(0.001, 0.01, 1000), rng.uniform(0.5, 0.9, 1000)
    found = mixture_gain(model, bigram)
    assert found.share == SHARES[-1]
    assert found.saved > 0.8
