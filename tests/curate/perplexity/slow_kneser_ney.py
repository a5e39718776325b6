"""Interpolated modified Kneser-Ney as it is written in Chen & Goodman 1998, section 3, with dictionaries and recursion."""

from collections import Counter, defaultdict

from groundup.curate.perplexity.pieces import START

Gram = tuple[int, ...]


class SlowModel:
    """Of texts that are lists of tokens, each beginning with START; `vocabulary` is all that may follow."""

    def __init__(self, texts: list[list[int]], order: int, vocabulary: list[int], min_count: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        self.counts: dict[int, Counter[Gram]] = {n: Counter() for n in range(1, order + 1)}
        for text in texts:
            for n in range(1, order + 1):
                for end in range(n, len(text) + 1):
                    self.counts[n][tuple(text[end - n : end])] += 1
        del self.counts[1][(START,)]
        self.adjusted = {n: self._adjusted(n) for n in range(1, order + 1)}
        self.discounts = {n: self._discounts(list(self.adjusted[n].values())) for n in range(1, order + 1)}
        self.kept = {n: {g for g, c in self.counts[n].items() if n < 3 or c >= min_count} for n in range(1, order + 1)}
        self.totals = {n: self._totals(n) for n in range(1, order + 1)}

    def _adjusted(self, n: int) -> dict[Gram, int]:
        """How often the longest n-grams occur; how many words stand before shorter ones, where any can."""
        if n == self.order:
            return dict(self.counts[n])
        before: dict[Gram, set[int]] = defaultdict(set)
        for gram in self.counts[n + 1]:
            before[gram[1:]].add(gram[0])
        return {gram: count if gram[0] == START else len(before[gram]) for gram, count in self.counts[n].items()}

    @staticmethod
    def _discounts(counts: list[int]) -> dict[int, float]:
        n1, n2, n3, n4 = (counts.count(i) for i in (1, 2, 3, 4))
        fallback = {1: 0.5, 2: 1.0, 3: 1.5}
        if 0 in (n1, n2, n3, n4):
            return fallback
        y = n1 / (n1 + 2 * n2)
        found = {1: 1 - 2 * y * (n2 / n1), 2: 2 - 3 * y * (n3 / n2), 3: 3 - 4 * y * (n4 / n3)}
        return found if all(0 < d <= i for i, d in found.items()) else fallback

    def _totals(self, n: int) -> Counter[Gram]:
        found: Counter[Gram] = Counter()
        for gram, count in self.adjusted[n].items():
            found[gram[:-1]] += count
        return found

    def share(self, gram: Gram) -> float:
        n = len(gram)
        if gram not in self.kept[n]:
            return 0.0
        count = self.adjusted[n][gram]
        return (count - self.discounts[n][min(count, 3)]) / self.totals[n][gram[:-1]]

    def prob(self, context: Gram, token: int) -> float:
        """p(token | context); what is left over after the shares of all tokens goes to the shorter context."""
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        lower = self.prob(context[1:], token) if context else 1 / len(self.vocabulary)
        if not self.totals[len(context) + 1][context]:
            return lower
        left = 1 - sum(self.share((*context, word)) for word in self.vocabulary)
        return self.share((*context, token)) + left * lower
