"""Documents of low quality, each kind breaking a named rule of a published set by a wide margin."""

from collections.abc import Callable

import numpy as np
from prose import Prose

Maker = Callable[[Prose, np.random.Generator], str]

_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxz", "aeiouy"
_NOTICES = (
    "please read the terms of use",
    "this site uses cookies",
    "see our privacy policy",
    "enable javascript",
    "see our cookie policy",
    "by the use of cookies",
)
_LOREM = (
    "dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua enim ad minim "
    "veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute irure in reprehenderit "
    "voluptate velit esse cillum eu fugiat nulla pariatur"
)


def _too_short(prose: Prose, rng: np.random.Generator) -> str:
    return prose.sentence(int(rng.integers(12, 40)))


def _long_words(prose: Prose, rng: np.random.Generator) -> str:
    words = prose.words(int(rng.integers(450, 700)))
    return (
        "the "
        + " and of ".join(
            " ".join("".join(words[at : at + 4]) for at in range(start, start + 32, 4)) for start in range(0, 448, 32)
        )
        + "."
    )


def _symbols(prose: Prose, rng: np.random.Generator) -> str:
    words = prose.words(int(rng.integers(120, 300)))
    return " ".join(f"#{word}" if place % 4 == 3 else word for place, word in enumerate(words)) + "."


def _bullets(prose: Prose, rng: np.random.Generator) -> str:
    return "\n".join(f"- {prose.sentence()}" for _ in range(int(rng.integers(10, 20))))


def _ellipses(prose: Prose, rng: np.random.Generator) -> str:
    return "\n".join(f"{prose.sentence(int(rng.integers(6, 12)))}.." for _ in range(int(rng.integers(15, 30))))


def _repeated_lines(prose: Prose, rng: np.random.Generator) -> str:
    again = [prose.sentence() for _ in range(3)]
    return "\n".join(again[place % 3] if place % 2 else prose.sentence() for place in range(int(rng.integers(20, 36))))


def _repeated_paragraphs(prose: Prose, rng: np.random.Generator) -> str:
    again = " ".join(prose.sentence() for _ in range(4))
    return "\n\n".join(part for _ in range(int(rng.integers(4, 7))) for part in (again, prose.sentence()))


def _repeated_ngrams(prose: Prose, rng: np.random.Generator) -> str:
    again = " ".join(prose.words(11))
    return " ".join(f"{' '.join(prose.words(int(rng.integers(6, 11))))} {again}" for _ in range(int(rng.integers(10, 20)))) + "."


def _gibberish(prose: Prose, rng: np.random.Generator) -> str:
    """Pronounceable strings, no word of English among them but by accident."""
    syllables = ["".join(pair) for pair in zip(rng.choice(list(_CONSONANTS), 900), rng.choice(list(_VOWELS), 900), strict=True)]
    lengths = rng.integers(2, 5, 200)
    ends = np.cumsum(lengths)
    return " ".join("".join(syllables[end - length : end]) for end, length in zip(ends, lengths, strict=True)) + "."


def _number_table(prose: Prose, rng: np.random.Generator) -> str:
    heading = " ".join(prose.words(6)) + " of the and"
    rows = rng.uniform(0, 1000, (int(rng.integers(30, 50)), 6))
    return "\n".join([heading, *(" ".join(f"{value:.2f}" for value in row) for row in rows)])


def _boilerplate(prose: Prose, rng: np.random.Generator) -> str:
    """Notices of a web site: every line names a policy."""
    notices = rng.choice(list(_NOTICES), int(rng.integers(10, 18)))
    return "\n".join(f"{' '.join(prose.words(9)).capitalize()} {notice} {' '.join(prose.words(4))}." for notice in notices)


def _lorem_ipsum(prose: Prose, rng: np.random.Generator) -> str:
    return "Lorem ipsum " + " ".join(rng.choice(_LOREM.split(), int(rng.integers(120, 300)))) + "."


def _code_braces(prose: Prose, rng: np.random.Generator) -> str:
    lines = []
    for _ in range(int(rng.integers(8, 16))):
        name, value, other = prose.words(3)
        lines += [
            f"// {prose.sentence()}",
            f"int {name}(int {value}) {{",
            f"    return {value} * {other} + {int(rng.integers(1000))};",
            "}",
        ]
    return "\n".join(lines)


def _no_terminal_marks(prose: Prose, rng: np.random.Generator) -> str:
    return "\n".join(prose.sentence().rstrip(".") for _ in range(int(rng.integers(12, 24))))


def _short_lines(prose: Prose, rng: np.random.Generator) -> str:
    return "\n".join(prose.sentence(int(rng.integers(2, 4)))[:28] for _ in range(int(rng.integers(50, 80))))


def _few_sentences(prose: Prose, rng: np.random.Generator) -> str:
    return f"{prose.sentence(int(rng.integers(40, 70)))} {prose.sentence(int(rng.integers(40, 70)))}"


LOW_QUALITY: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "too_short": (_too_short, ("gopher-2021/words_min",)),
    "long_words": (_long_words, ("gopher-2021/mean_word_length_max",)),
    "symbols": (_symbols, ("gopher-2021/hash_signs_per_word",)),
    "bullets": (_bullets, ("gopher-2021/bullet_lines",)),
    "ellipses": (_ellipses, ("gopher-2021/ellipsis_lines", "gopher-2021/ellipses_per_word")),
    "repeated_lines": (_repeated_lines, ("gopher-2021-repetition/duplicate_lines",)),
    "repeated_paragraphs": (_repeated_paragraphs, ("gopher-2021-repetition/duplicate_paragraph_chars",)),
    "repeated_ngrams": (_repeated_ngrams, ("gopher-2021-repetition/duplicate_10gram_chars",)),
    "gibberish": (_gibberish, ("gopher-2021/stop_words",)),
    "number_table": (_number_table, ("gopher-2021/words_with_letter",)),
    "boilerplate": (_boilerplate, ("c4-jmlr",)),
    "lorem_ipsum": (_lorem_ipsum, ("gopher-2021/stop_words", "c4-jmlr")),
    "code_braces": (_code_braces, ("c4-jmlr",)),
    "no_terminal_marks": (_no_terminal_marks, ("c4-jmlr", "fineweb-paper")),
    "short_lines": (_short_lines, ("fineweb-paper", "c4-jmlr")),
    "few_sentences": (_few_sentences, ("c4-jmlr",)),
}
"""Kind -> how it is made, and the rules (set/rule, or a set) of which each one alone drops it."""
