"""A few drops of each rule, to look at."""

import bisect
from typing import Any

import xxhash

from groundup.curate.drops import Drop

NUM_EXAMPLES = 3


class Examples:
    """The drops of each rule whose ids have the lowest hashes: the same ones whatever the order in which drops come."""

    def __init__(self) -> None:
        self._by_rule: dict[tuple[str, str], list[tuple[int, str, dict[str, Any]]]] = {}

    def add(self, drop: Drop, excerpt: str) -> None:
        """Take note of a drop; `excerpt` is its beginning without personal data."""
        rank = xxhash.xxh3_64_intdigest(drop.id.encode())
        found = self._by_rule.setdefault((drop.stage, drop.rule), [])
        if len(found) < NUM_EXAMPLES or rank <= found[-1][0]:
            fact = {
                "id": drop.id,
                "source": drop.source,
                "value": drop.value,
                "threshold": drop.threshold,
                "twin_id": drop.twin_id,
                "excerpt": excerpt,
            }
            self._insert(found, (rank, drop.id, fact))

    def merge(self, tally: list[dict[str, Any]]) -> None:
        """Take note of the drops that `to_tally` of another gave."""
        for entry in tally:
            found = self._by_rule.setdefault((entry["stage"], entry["rule"]), [])
            for fact in entry["examples"]:
                self._insert(found, (xxhash.xxh3_64_intdigest(fact["id"].encode()), fact["id"], fact))

    @staticmethod
    def _insert(found: list[tuple[int, str, dict[str, Any]]], one: tuple[int, str, dict[str, Any]]) -> None:
        bisect.insort(found, one, key=lambda drop: drop[:2])
        del found[NUM_EXAMPLES:]

    def of(self, stage: str, rule: str) -> list[dict[str, Any]]:
        """Return the drops of one rule."""
        return [fact for _, _, fact in self._by_rule.get((stage, rule), [])]

    def to_tally(self) -> list[dict[str, Any]]:
        """Return all as JSON values, for `merge` to read back."""
        return [{"stage": stage, "rule": rule, "examples": self.of(stage, rule)} for stage, rule in sorted(self._by_rule)]
