"""A picture of a run's course for a terminal."""

from collections.abc import Callable, Sequence

from groundup.train.course.course import Course

WIDTH, HEIGHT = 64, 8
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def draw(course: Course, peak_known: bool = True, steps_known: bool = True) -> str:
    """Return the learning rate, the batch and the rows over the steps as lines of text.

    Each column is one step, the first and the last ones being those of the run. Without a known peak the rate is told as a share of
    it, without known steps the place in the run as a share of them.
    """
    steps = [round(column * (course.steps - 1) / (WIDTH - 1)) for column in range(WIDTH)]
    rates = [course.learning_rate(step) for step in steps]
    ends = ("1", f"{course.steps:,}") if steps_known else ("start", "end")
    axis = f"{ends[0]:<{WIDTH // 2}}{ends[1]:>{WIDTH - WIDTH // 2}}"
    form = "{:.2e}" if peak_known else "{:.0%} of peak"
    lines = [*_chart(rates, form.format), f"{'':>15}{axis}  step"]
    made = [course.at(step) for step in steps]
    seq_len = course.config.seq_len
    batches, rows = [step.windows * seq_len for step in made], [step.seq_len for step in made]
    lines += [_band("batch tokens", batches)] if course.config.batch_ramp else []
    lines += [_band("row tokens", rows)] if course.config.lengths else []
    for step, change in zip(course.mixture_steps, course.config.mixture, strict=True):
        weights = ", ".join(f"{source} {weight:g}" for source, weight in change.weights.items())
        lines.append(f"{'mixture':>13}  after step {step:,}: {weights}")
    return "\n".join(line.rstrip() for line in lines)


def _chart(values: Sequence[float], name: Callable[[float], str]) -> list[str]:
    """Return rows of columns as high as the values, with the highest and the last one named."""
    top = max(values)
    levels = [max(round(value / top * HEIGHT * 8), 1) for value in values]
    last = HEIGHT - 1 - (levels[-1] - 1) // 8
    lines = []
    for row in range(HEIGHT):
        below = (HEIGHT - 1 - row) * 8
        bars = "".join(_EIGHTHS[min(max(level - below, 0), 8)] for level in levels)
        right = f"  {name(values[-1])}" if row == last else ""
        lines.append(f"{name(top) if row == 0 else 'learning rate' if row == HEIGHT - 1 else '':>13}  {bars}{right}")
    return lines


def _band(title: str, values: Sequence[int]) -> str:
    """Return one row of columns as high as the values, from the first to the last one."""
    bars = "".join(_EIGHTHS[max(round(value / max(values) * 8), 1)] for value in values)
    return f"{title:>13}  {bars}  {values[0]:,} to {values[-1]:,}"
