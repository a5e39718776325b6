"""The most probable continuation, searched along several at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.core.errors import ConfigError
from groundup.nn.decoding import Decoding, checked_count
from groundup.nn.transformer import Transformer


@dataclass(frozen=True)
class Hypothesis:
    """One continuation."""

    tokens: tuple[int, ...]
    """The end token left out."""
    score: float
    """Log-probability of its tokens, the end token included, over their number to the power of the length penalty."""


def beam_search(
    model: Transformer,
    prompt_ids: Sequence[int],
    max_new_tokens: int | None,
    num_beams: int,
    length_penalty: float = 1.0,
    eos_id: int | None = None,
    *,
    start_ids: Sequence[int] = (),
) -> list[Hypothesis]:
    """Return the `num_beams` best finished continuations found, best first (those cut off at the length count as finished).

    At each step the likeliest `num_beams` unfinished ones go on (Sutskever et al. 2014, section 3.2). The search ends when none of
    them, scored as it is, would be among the finished; with length_penalty above 0 a longer one might still have been.
    """
    if num_beams < 1:
        raise ConfigError(f"num_beams={num_beams} keeps nothing; take 1 (greedy) or more")
    count = checked_count(model.config, prompt_ids, max_new_tokens, start_ids)
    decoding = Decoding(model, [prompt_ids] * num_beams, count, start_ids)
    running: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[Hypothesis] = []
    logits = decoding.start() if count else None
    for length in range(1, count + 1):
        assert logits is not None
        candidates = _candidates(running, logits, 2 * num_beams)
        last = length == count
        for tokens, total, _ in candidates[:num_beams]:
            if tokens[-1] == eos_id or last:
                made = tokens[:-1] if tokens[-1] == eos_id else tokens
                finished.append(Hypothesis(made, total / length**length_penalty))
        finished = sorted(finished, key=lambda found: -found.score)[:num_beams]
        going_on = [candidate for candidate in candidates if candidate[0][-1] != eos_id][:num_beams]
        if last or not going_on or _settled(finished, going_on[0][1] / length**length_penalty, num_beams):
            break
        running = [(tokens, total) for tokens, total, _ in going_on]
        rows = [row for *_, row in going_on]
        decoding.choose(torch.tensor(rows, device=logits.device))
        logits = decoding.step(torch.tensor([tokens[-1] for tokens, _ in running], device=logits.device))
    return finished or [Hypothesis((), 0.0)]


def _candidates(
    running: list[tuple[tuple[int, ...], float]], logits: Float[Tensor, "beams vocab"], wanted: int
) -> list[tuple[tuple[int, ...], float, int]]:
    """Return the likeliest continuations by one token as (tokens, log-probability, row that is continued), likeliest first."""
    log_probs = torch.log_softmax(logits[: len(running)].float(), dim=-1)
    totals = (log_probs + torch.tensor([[total] for _, total in running], device=logits.device)).flatten()
    best, places = totals.topk(min(wanted, len(totals)))
    vocab = logits.shape[-1]
    return [
        ((*running[place // vocab][0], place % vocab), total, place // vocab)
        for total, place in zip(best.tolist(), places.tolist(), strict=True)
    ]


def _settled(finished: list[Hypothesis], best_running: float, num_beams: int) -> bool:
    return len(finished) == num_beams and finished[-1].score >= best_running
