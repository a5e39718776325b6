"""The rules of the papers as plainly as they can be said, one text and one n-gram at a time: what the fast ones are held to."""

import re
from collections import Counter
from collections.abc import Callable

BULLETS = ("•", "‣", "◦")
CLOSERS = "\"'”’»)]}*_"
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "۔", "।", "॥", "։", "።")
ABBREVIATIONS = {"mr", "mrs", "ms", "dr", "st", "prof", "rev", "gen", "col", "capt", "lt", "sr", "jr", "vol", "no", "fig", "etc"}
ABBREVIATIONS |= {"vs", "cf", "al", "pp"}
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
ASCII_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
COUNTED = {"like", "share", "comment", "view", "follower", "retweet", "vote", "point", "review", "download"}
COUNTED |= {f"{word}s" for word in COUNTED} | {"following", "reply", "replies"}
SHORT_LINE_MARKS = (
    ("start_marks", r"^\W*(sign|log)[ -]?(in|up)\b\W*"),
    ("end_marks", r"\W*\b(read|see|show) more\W*$"),
    ("inner_marks", r"\b(\d+ )?items? in (your )?cart\b"),
)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs_of(text: str) -> list[str]:
    found, inner = [], []
    for line in [*text.split("\n"), ""]:
        if line.strip():
            inner.append(line)
        elif inner:
            found.append("\n".join(inner).strip())
            inner = []
    return found


def share(items: list[str], holds: Callable[[str], bool]) -> float:
    return sum(1 for item in items if holds(item)) / len(items) if items else 0.0


def repeated_items(units: list[str]) -> float:
    return share([str(unit in units[:at]) for at, unit in enumerate(units)], lambda seen: seen == "True")


def repeated_chars(units: list[str]) -> float:
    total = sum(map(len, units))
    return sum(len(unit) for at, unit in enumerate(units) if unit in units[:at]) / total if total else 0.0


def repetition(words: list[str], n: int) -> tuple[float, float]:
    """(top, duplicate) by marking words one n-gram at a time."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    counts = Counter(grams)
    if not counts or max(counts.values()) == 1:
        return 0.0, 0.0
    first: dict[tuple[str, ...], int] = {}
    for i, gram in enumerate(grams):
        first.setdefault(gram, i)
    best = max(counts, key=lambda gram: (counts[gram], sum(map(len, gram)), -first[gram]))
    top, duplicate = set(), set()
    for i, gram in enumerate(grams):
        if gram == best:
            top.update(range(i, i + n))
        if first[gram] < i:
            duplicate.update(range(i, i + n))
    total = sum(map(len, words))
    return sum(len(words[i]) for i in top) / total, sum(len(words[i]) for i in duplicate) / total


def has_letter(word: str) -> bool:
    return any(letter.isalnum() and not letter.isdecimal() for letter in word)


def is_bullet(line: str) -> bool:
    return line.startswith(BULLETS) or (line[0] in "-*" and line[1:2].isspace())


def ends_sentence(word: str) -> bool:
    bare = word
    while len(bare) > max(1, len(word) - 8) and bare[-1] in CLOSERS:
        bare = bare[:-1]
    if bare[-1] not in SENTENCE_ENDS:
        return False
    if bare[-1] != ".":
        return True
    before = bare[:-1]
    while before and not (before[0] == "." or before[0] == "_" or before[0].isalnum()):
        before = before[1:]
    parts = before.split(".")
    is_initials = all(len(part) == 1 and has_letter(part) for part in parts)
    return not is_initials and before.lower() not in ABBREVIATIONS


def num_sentences(text: str) -> int:
    found = 0
    for line in lines_of(text):
        words = line.split()
        found += sum(map(ends_sentence, words)) + (not ends_sentence(words[-1]))
    return found


def per_word(count: Callable[[str], int]) -> Callable[[str], float]:
    return lambda text: count(text) / max(len(text.split()), 1)


def stop_words(text: str) -> int:
    lowered = [word.lower() for word in text.split()]
    return sum(word in lowered for word in ("the", "be", "to", "of", "and", "that", "have", "with"))


SLOW: dict[str, Callable[[str], float]] = {
    "num_words": lambda text: len(text.split()),
    "num_sentences": num_sentences,
    "mean_word_length": lambda text: sum(map(len, text.split())) / max(len(text.split()), 1),
    "words_with_letter": lambda text: share(text.split(), has_letter),
    "stop_words": stop_words,
    "hash_signs_per_word": per_word(lambda text: text.count("#")),
    "ellipses_per_word": per_word(lambda text: text.count("...") + text.count("…")),
    "line_feeds_per_word": per_word(lambda text: text.count("\n")),
    "curly_brackets": lambda text: text.count("{"),
    "lorem_ipsum": lambda text: text.translate(ASCII_UPPER).count("lorem ipsum"),
    "bullet_lines": lambda text: share(lines_of(text), is_bullet),
    "ellipsis_lines": lambda text: share(lines_of(text), lambda line: line.endswith(("...", "…"))),
    "punctuated_lines": lambda text: share(lines_of(text), lambda line: line.endswith((*SENTENCE_ENDS, '"', "'", "”", "’"))),
    "lines_under_30_chars": lambda text: share(lines_of(text), lambda line: len(line) < 30),
    "lines_to_30_chars": lambda text: share(lines_of(text), lambda line: len(line) <= 30),
    "duplicate_lines": lambda text: repeated_items(lines_of(text)),
    "duplicate_line_chars": lambda text: repeated_chars(lines_of(text)),
    "duplicate_paragraphs": lambda text: repeated_items(paragraphs_of(text)),
    "duplicate_paragraph_chars": lambda text: repeated_chars(paragraphs_of(text)),
    **{f"top_{n}gram_chars": lambda text, n=n: repetition(text.split(), n)[0] for n in (2, 3, 4)},
    **{f"duplicate_{n}gram_chars": lambda text, n=n: repetition(text.split(), n)[1] for n in range(5, 11)},
}


def c4_line(line: str) -> tuple[str | None, list[str]]:
    """What C4 leaves of a line, and the rules that took something."""
    if any(len(word) > 1000 for word in line.split()):
        return None, ["line_longest_word"]
    marks = len(re.findall(r"\[\d*\]|\[edit\]|\[citation needed\]", line))
    taken = ["citation_marks"] * marks
    if marks:
        line = re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line).strip()
    if not line:
        return None, taken
    if not line.endswith((".", "!", "?", '"', "”")) or line.endswith("..."):
        return None, [*taken, "line_end_mark"]
    if len(line.split()) < 5:
        return None, [*taken, "line_words"]
    lowered = line.translate(ASCII_UPPER)
    if "javascript" in lowered:
        return None, [*taken, "line_javascript"]
    if any(phrase in lowered for phrase in POLICY):
        return None, [*taken, "line_policy"]
    return line, taken


def refinedweb_line(line: str) -> tuple[str | None, list[str]]:
    """What RefinedWeb leaves of a line, and the rules that took something."""
    letters = "".join(line.split())
    if sum(letter.isupper() for letter in letters) > 0.5 * len(letters):
        return None, ["line_uppercase"]
    if all(letter.isnumeric() for letter in letters):
        return None, ["line_numeric"]
    if re.fullmatch(rf"\W*\d[\d.,]*[km]?\+?\s+({'|'.join(sorted(COUNTED))})\W*", line, re.I) and len(line.split()) <= 4:
        return None, ["line_counter"]
    if len(line.split()) == 1:
        return None, ["line_words"]
    taken = []
    for name, pattern in SHORT_LINE_MARKS:
        found = len(list(re.finditer(pattern, line, re.I)))
        if len(line.split()) <= 10 and found:
            line = re.sub(pattern, "", line, flags=re.I).strip()
            taken += [name] * found
        if not line:
            return None, taken
    return line, taken


def edited(text: str, edit_line: Callable[[str], tuple[str | None, list[str]]]) -> tuple[str, Counter[str], float]:
    """The text with its lines edited, what each rule took, and the part of the words in lines that it touched."""
    kept: list[str] = []
    taken: Counter[str] = Counter()
    flagged = 0
    for raw in text.split("\n"):
        if not raw.strip():
            kept.append("")
            continue
        new, rules = edit_line(raw.strip())
        taken.update(rules)
        flagged += len(raw.split()) if rules else 0
        if new is not None:
            kept.append(new if rules else raw)
    if not taken:
        return text, taken, 0.0
    tidy = [line for at, line in enumerate(kept) if line or (at and kept[at - 1])]
    return "\n".join(tidy).strip("\n"), taken, flagged / len(text.split())
