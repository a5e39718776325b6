import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.nn.transformer import Inputs
from groundup.train.batch import Batch
from groundup.train.parallel.config import Layout
from groundup.train.parallel.pipeline.schedules import micro_batches_for


def batches(count: int, rows: int) -> list[Batch]:
    numbers = torch.arange(count * rows * 3).view(count, rows, 3)
    source = torch.arange(count * rows * 2).view(count, rows, 2)
    return [Batch(Inputs(one, one + 1, source=Inputs(other)), one + 2) for one, other in zip(numbers, source, strict=True)]


@pytest.mark.parametrize(
    ("layout", "count", "expected"),
    [
        (Layout(pp=4, schedule="gpipe"), 1, 1),
        (Layout(pp=4), 1, 4),
        (Layout(pp=4), 3, 6),
        (Layout(pp=2), 5, 5),
        (Layout(pp=2, schedule="interleaved"), 1, 2),
        (Layout(pp=2, schedule="interleaved"), 3, 3),
        (Layout(pp=2, schedule="interleaved"), 5, 10),
        (Layout(pp=4, schedule="zero_bubble"), 3, 6),
        (Layout(pp=4, schedule="zero_bubble"), 8, 8),
    ],
)
def test_too_few_micro_batches_are_cut(layout: Layout, count: int, expected: int) -> None:
    given = batches(count, 12)
    found = micro_batches_for(layout, given)
    assert len(found) == expected
    assert torch.equal(torch.cat([batch.targets for batch in found]), torch.cat([batch.targets for batch in given]))
    for part in found:
        assert part.inputs.source is not None
        assert part.inputs.document_ids is not None
        assert torch.equal(part.targets, part.inputs.tokens + 2)
        assert torch.equal(part.inputs.document_ids, part.inputs.tokens + 1)
        assert torch.equal(part.inputs.source.tokens[:, 0] * 3, part.inputs.tokens[:, 0] * 2)


def test_rows_that_cannot_be_cut_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"schedule='1f1b' with pp=4 wants at least 4 micro-batches a step, and the 3 of 1 rows"):
        micro_batches_for(Layout(pp=4), batches(3, 1))
    with pytest.raises(ConfigError, match=r"a multiple of 2"):
        micro_batches_for(Layout(pp=2, schedule="zero_bubble"), batches(5, 1))
