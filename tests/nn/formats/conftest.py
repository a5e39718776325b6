"""Pairs of models that several tests compare."""

import pytest


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return a function that makes a family's model of `transformers` and ours of it, once each."""
    pytest.importorskip("transformers")
    import families  # it needs transformers

    made = {}

    def pair(name):
        if name not in made:
            theirs = families.FAMILIES[name].build()
            made[name] = theirs, families.import_ours(theirs, tmp_path_factory.mktemp("saved"))
        return made[name]

    return pair
