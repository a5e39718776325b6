"""The questions that lead to use, adapt, own or cannot tell, in their order."""

from groundup.core.units import format_count
from groundup.plan.candidates import (
    ADAPT_TOKENS,
    EPOCHS,
    FERTILITY_FITS,
    FERTILITY_POOR,
    GAIN,
    TEXT_FACTOR,
    Answer,
    CandidateFacts,
    Choice,
    Option,
    Purse,
    Reason,
    TextFacts,
    TokenizerFacts,
    Way,
    adapted,
    best_of,
    borne_by,
    own_model,
    used,
    wanted_by,
    why_no_law,
)


def choose(
    text: TextFacts, tokenizers: tuple[TokenizerFacts, ...], candidates: tuple[CandidateFacts, ...], budget: Purse
) -> Choice:
    """Return the answer with its reasons.

    One's own where the law says so beyond doubt, where text and budget bear one as large as the best candidate, or where no
    candidate knows more of the text than a bigram model of it; else the best candidate, adapted where the text holds what it does
    not know and the budget bears enough of it. Where what decides is missing: "cannot tell".
    """
    own, best = own_model(text, budget), best_of(candidates)
    if best is None:
        few = (_amount(text, own, None, budget), _own_loss(text, own, None))
        summary = "no candidate was measured, so there is nothing to hold a model of your own against"
        return Choice("cannot_tell", summary, few, (own,), _missing(candidates, budget, own), text, tokenizers, candidates, budget)
    adapt = adapted(best, text, budget)
    known, size, loss = _knows(text, best), _amount(text, own, best, budget), _own_loss(text, own, best)
    reasons = (known, _fertility(best), _lacks(best), size, loss, _cost(adapt, own, budget))
    answer, summary = _answer(text, best, own, adapt, budget)
    options = (used(best), adapt, own)
    return Choice(answer, summary, reasons, options, _missing(candidates, budget, own), text, tokenizers, candidates, budget)


def _answer(text: TextFacts, best: CandidateFacts, own: Option, adapt: Option, budget: Purse) -> tuple[Answer, str]:
    size = f"{format_count(float(own.params or 0))} parameters"
    if not _predicts(text, best):
        found = "no candidate predicts the text better than its own word pairs do"
        if budget.flops is not None:
            return "own", f"train your own, {size}: {found}"
        return "cannot_tell", f"{found}, and no budget was said for one of your own; the text bears {size}"
    if own.interval is not None and best.bits_per_byte is not None and own.interval[1] < best.bits_per_byte:
        return "own", f"train your own, {size}: even the worst that the law says predicts the text better than {best.name}"
    if own.params is not None and own.params >= best.params and budget.flops is not None:
        return "own", f"train your own, {size}: text and budget bear one as large as {best.name}, all of it on your text"
    return _adapt_or_use(best, adapt)


def _adapt_or_use(best: CandidateFacts, adapt: Option) -> tuple[Answer, str]:
    if (best.gain or 0.0) < GAIN.value:
        return "use", f"use {best.name} as it is: your text holds little that it does not know"
    if adapt.possible is False:
        return "use", f"use {best.name} as it is: your text would teach it something, but {adapt.why}"
    extend = best.tokenizer.ratio > FERTILITY_FITS.value
    also = "; extend its tokenizer first, which cuts your words into too many tokens" if extend else ""
    return "adapt", f"adapt {best.name}: train it on with your text, which holds what it does not know{also}"


def _predicts(text: TextFacts, best: CandidateFacts) -> bool:
    return best.bits_per_byte is not None and best.bits_per_byte < text.baseline_bits_per_byte


def _knows(text: TextFacts, best: CandidateFacts) -> Reason:
    better = _predicts(text, best)
    words = "better" if better else "no better"
    finding = (
        f"{best.name} needs {best.bits_per_byte:.3f} bits a byte of held-out text, {words} than word pairs counted in your text "
        f"({text.baseline_bits_per_byte:.3f})"
    )
    numbers = {"bits_per_byte": best.bits_per_byte, "baseline_bits_per_byte": text.baseline_bits_per_byte}
    return Reason("Does a model at hand know the text?", finding, numbers, None, ("use", "adapt") if better else ("own",))


def _fertility(best: CandidateFacts) -> Reason:
    ratio = best.tokenizer.ratio
    cut = f"its tokenizer makes {best.tokenizer.fertility:.2f} tokens a word, {ratio:.2f} times those of one trained on the text"
    numbers = {"ratio": ratio, "fertility": best.tokenizer.fertility, "bytes_per_token": best.tokenizer.bytes_per_token}
    question = "Do its tokens fit the text?"
    if ratio <= FERTILITY_FITS.value:
        return Reason(question, f"{cut}: they fit", numbers, FERTILITY_FITS, ("use", "adapt"))
    if ratio <= FERTILITY_POOR.value:
        return Reason(question, f"{cut}: 'groundup tokenizer extend' would help", numbers, FERTILITY_FITS, ("adapt",))
    return Reason(question, f"{cut}: every step, of training or use, costs so much more", numbers, FERTILITY_POOR, ("own",))


def _lacks(best: CandidateFacts) -> Reason:
    gain = best.gain or 0.0
    words = f"mixing in word pairs of your text saves {gain:.1%} of its bits on held-out text"
    known = f"{words}: it knows them" if gain < GAIN.value else f"{words}: your text holds what it does not know"
    return Reason(
        "Could it learn from the text?", known, {"gain": best.gain}, GAIN, ("use",) if gain < GAIN.value else ("adapt", "own")
    )


def _amount(text: TextFacts, own: Option, best: CandidateFacts | None, budget: Purse) -> Reason:
    bears, wanted = borne_by(text).params, wanted_by(budget)
    finding = f"{format_count(text.tokens)} tokens, seen {EPOCHS.value:g} times, are enough for {format_count(bears)} parameters"
    numbers: dict[str, float | None] = {"tokens": text.tokens, "params_by_tokens": bears, "epochs": own.epochs}
    if wanted is not None:
        epochs = wanted.tokens / text.tokens
        numbers |= {"tokens_wanted": wanted.tokens, "epochs_wanted": epochs, "tokens_per_param": wanted.tokens_per_param}
        finding += (
            f"; the budget's compute-optimal model wants {format_count(wanted.tokens)} tokens, {wanted.tokens_per_param:.3g} a "
            f"parameter, {epochs:.3g} epochs"
        )
    if best is None:
        return Reason("Is there text enough for a model of one's own?", finding, numbers, EPOCHS)
    numbers["params_of_candidate"] = best.params
    finding += f"; {best.name} has {format_count(best.params)}"
    speaks_for: tuple[Way, ...] = ("own",) if bears >= best.params else ("use", "adapt")
    return Reason("Is there text enough for a model of one's own?", finding, numbers, EPOCHS, speaks_for)


def _own_loss(text: TextFacts, own: Option, best: CandidateFacts | None) -> Reason:
    question = "What would a model of one's own reach?"
    if own.bits_per_byte is None or own.interval is None:
        return Reason(question, f"cannot tell: {why_no_law(text, own)}", {"bits_per_byte": None})
    low, high = own.interval
    finding = f"about {own.bits_per_byte:.2f} bits a byte by the law, for a text unlike its corpus {low:.2f} to {high:.2f}"
    numbers = {"bits_per_byte": own.bits_per_byte, "low": low, "high": high}
    if best is None or best.bits_per_byte is None:
        return Reason(question, finding, numbers, TEXT_FACTOR)
    if low <= best.bits_per_byte <= high:
        return Reason(question, f"{finding}: cannot tell it from {best.name} ({best.bits_per_byte:.2f})", numbers, TEXT_FACTOR)
    return Reason(question, finding, numbers, TEXT_FACTOR, ("own",) if high < best.bits_per_byte else ("use", "adapt"))


def _cost(adapt: Option, own: Option, budget: Purse) -> Reason:
    numbers = {"adapt_flops": adapt.flops, "adapt_epochs": adapt.epochs, "own_flops": own.flops, "budget_flops": budget.flops}
    finding = f"adapting takes {_spent(adapt)}, one's own {_spent(own)}"
    if budget.flops is None:
        return Reason("What does it cost?", f"{finding}; no budget was said", numbers)
    ways: tuple[Way, ...] = ("adapt",) if adapt.possible else ("use",)
    return Reason("What does it cost?", f"{finding}, of {budget.words}: {adapt.why}", numbers, ADAPT_TOKENS, ways)


def _spent(option: Option) -> str:
    hours = "" if option.device_hours is None else f" ({option.device_hours:,.3g} device-hours)"
    return f"{option.flops:.2g} FLOPs{hours}"


def _missing(candidates: tuple[CandidateFacts, ...], budget: Purse, own: Option) -> tuple[str, ...]:
    found = [f"{candidate.name}: {candidate.why_not}" for candidate in candidates if candidate.why_not]
    if not candidates:
        found.append("--candidate PATH: a checkpoint, or a Hugging Face folder or GGUF file, to measure on your text")
    if budget.flops is None:
        found.append("a budget (--device-hours H --hardware NAME, --pf-days P or --flops C): what one's own could be hangs on it")
    if own.bits_per_byte is None:
        found.append("a scaling law of your own text: 'groundup scaling sweep' runs a ladder of small models on it")
    return tuple(found)
