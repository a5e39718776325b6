"""What a classifier sees and gives, slowly: plain Python integers, dense matrices, Newton's method."""

import math
import unicodedata
from itertools import pairwise

import numpy as np

MASK = (1 << 64) - 1
WORD_BASE, RUN_FACTOR, OF_CHARACTERS = 0x9E3779B97F4A7C15, 0x9FB21C651E98DF25, 0xD6E8FEB86659FD93


def words_of(text: str) -> list[str]:
    """Return the runs of letters, marks and numbers of the text, case folded."""
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text.casefold()).split()


def mix(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> 33)) * factor & MASK
    return value ^ (value >> 33)


def word_hash(word: str) -> int:
    return mix(sum(ord(char) * pow(WORD_BASE, at, 1 << 64) for at, char in enumerate(f"{word} ")) & MASK)


def passages_of(text: str, passage_words: int) -> list[list[str]]:
    words = words_of(text)
    count = max(1, math.ceil(len(words) / passage_words))
    bounds = [at * len(words) // count for at in range(count + 1)]
    return [words[start:end] for start, end in pairwise(bounds)]


def buckets_of(words: list[str], word_ngrams: int, char_ngrams: tuple[int, int] | None, bits: int) -> list[int]:
    """Return the buckets of one passage, each once, ascending."""
    hashes = []
    for length in range(1, word_ngrams + 1):
        for at in range(len(words) - length + 1):
            run = word_hash(words[at])
            for word in words[at + 1 : at + length]:
                run = mix((run * RUN_FACTOR + word_hash(word)) & MASK)
            hashes.append(run)
    letters = "".join(f"{word} " for word in words)
    for length in range(char_ngrams[0], char_ngrams[1] + 1) if char_ngrams else ():
        for at in range(len(letters) - length + 1):
            run = 0
            for letter in letters[at : at + length]:
                run = (run * RUN_FACTOR + ord(letter)) & MASK
            hashes.append(mix(run ^ OF_CHARACTERS))
    return sorted({value >> (64 - bits) for value in hashes})


def score(text: str, classifier) -> float:
    """Return the mean of sigmoid(slope z + intercept) over passages, z = b + sum of weights / sqrt(number of buckets)."""
    shape, found = classifier.features, []
    for words in passages_of(text, shape.passage_words):
        buckets = buckets_of(words, shape.word_ngrams, shape.char_ngrams, shape.bucket_bits)
        z = classifier.bias + sum(float(classifier.weights[j]) for j in buckets) / math.sqrt(max(len(buckets), 1))
        found.append(1 / (1 + math.exp(-(classifier.calibration.slope * z + classifier.calibration.intercept))))
    return sum(found) / len(found)


def optimum(good: np.ndarray, bad: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Return weights and bias of the least sum_i share_i ln(1 + exp(-y_i z_i)) + penalty/2 |w|^2, by Newton's method.

    `good` and `bad` are dense: a row of features a passage.
    """
    rows = np.vstack([good, bad])
    x = np.hstack([rows, np.ones((len(rows), 1))])
    y = np.repeat([1.0, 0.0], [len(good), len(bad)])
    share = np.repeat([0.5 / len(good), 0.5 / len(bad)], [len(good), len(bad)])
    ridge = np.diag([penalty] * rows.shape[1] + [0.0])
    at = np.zeros(x.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ at))
        slope = x.T @ (share * (p - y)) + ridge @ at
        step = np.linalg.solve((x.T * (share * p * (1 - p))) @ x + ridge, slope)
        at -= step / max(1.0, np.abs(step).max() / 5)  # damped: far from the optimum the quadratic model is wrong
        if np.abs(step).max() < 1e-12:
            break
    return at[:-1], at[-1]
