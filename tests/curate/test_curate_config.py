import pytest

from groundup.core.errors import ConfigError
from groundup.curate.config import CurateConfig

SOURCE = {"name": "s", "path": "x"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sources": []}, "'sources'"),
        ({"sources": [{"name": "s"}]}, "source 's' has kind 'files' and no path"),
        ({"sources": [{"name": "s", "kind": "installed-docs", "path": "x"}]}, "which finds its own text"),
        ({"sources": [SOURCE, SOURCE]}, "two sources are called 's'"),
        ({"sources": [{"name": "S s", "path": "x"}]}, "'sources.0.name'"),
        ({"sources": [SOURCE], "rules": ["gopher-2021", "gopher-2021"]}, "a rule set is named twice"),
        ({"sources": [SOURCE], "rules": ["gopher"]}, "gopher-2021"),
        ({"sources": [SOURCE], "validation": 1}, "'validation'"),
        ({"sources": [SOURCE], "leakage_threshold": 0}, "'leakage_threshold'"),
        ({"sources": [SOURCE], "repeated_passages": {"min_words": 9}}, "min_words=9 has no effect without a kind of passages"),
        ({"sources": [SOURCE], "repeated_passages": "paragraphs"}, "'repeated_passages.kind'"),
        ({"sources": [SOURCE], "dedup": True}, "unknown key 'dedup'; did you mean 'deduplicate'?"),
    ],
)
def test_impossible_settings_are_refused_with_the_reason(settings, said):
    with pytest.raises(ConfigError) as caught:
        CurateConfig.parse(settings, "recipe.yaml")
    assert said in str(caught.value)
