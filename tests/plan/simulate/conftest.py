"""Ranks have parts of what annotations of shapes speak of."""

from collections.abc import Iterator

import jaxtyping
import pytest


@pytest.fixture(autouse=True)
def shapes_of_parts() -> Iterator[None]:
    """Check no annotated shapes: `seq` is a whole sequence before a product on tensor-parallel ranks, and a part of it behind."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
