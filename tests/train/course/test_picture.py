import pytest

from groundup.train.config import TrainConfig
from groundup.train.course.course import Course
from groundup.train.course.picture import HEIGHT, WIDTH, draw

SETTINGS = {
    "seq_len": 16,
    "batch_tokens": 128,
    "schedule": {"name": "wsd", "warmup_steps": 7, "decay_steps": 15, "decay_shape": "linear", "floor": 0.125},
}
CHANGES = {
    "batch_ramp": {"start_tokens": 32, "over_tokens": 960, "rate": "none"},
    "lengths": [{"seq_len": 8, "until_fraction": 0.5}],
    "mixture": [{"from_step": 40, "weights": {"web": 0.5, "books": 2}}],
}


def columns(line: str) -> str:
    return line[15 : 15 + WIDTH].ljust(WIDTH)


def test_each_column_is_as_high_as_the_rate_of_its_step() -> None:
    course = Course(TrainConfig.model_validate(SETTINGS), WIDTH, peak=2e-3)
    lines = draw(course).splitlines()
    assert len(lines) == HEIGHT + 1
    levels = [sum(" ▁▂▃▄▅▆▇█".index(columns(line)[column]) for line in lines[:HEIGHT]) for column in range(WIDTH)]
    assert levels == [round(course.learning_rate(step) / 2e-3 * HEIGHT * 8) for step in range(WIDTH)]
    assert lines[0].startswith(f"{'2.00e-03':>13}  ")
    assert lines[HEIGHT - 1].endswith("  2.50e-04")
    assert lines[HEIGHT].split() == ["1", "64", "step"]


def test_what_changes_has_a_line_of_its_own() -> None:
    lines = draw(Course(TrainConfig.model_validate({**SETTINGS, **CHANGES}), WIDTH)).splitlines()[HEIGHT + 1 :]
    assert lines[0].startswith(f"{'batch tokens':>13}  {'▂' * 10}{'▄' * 5}{'▆' * 4}█")  # 320 tokens at each size
    assert lines[0].endswith("█  32 to 128")
    assert lines[1].strip().startswith("row tokens  ▄")
    assert lines[1].endswith("█  8 to 16")
    assert lines[2].strip() == "mixture  after step 40: web 0.5, books 2"


@pytest.mark.parametrize("steps", [1, 2, 5, 100_000])
def test_any_number_of_steps_is_drawn(steps: int) -> None:
    course = Course(TrainConfig.model_validate({"seq_len": 16, "batch_tokens": 128}), steps)
    lines = draw(course, peak_known=False, steps_known=False).splitlines()
    assert len({len(columns(line)) for line in lines}) == 1
    assert "start" in lines[-1]
    assert "100% of peak" in lines[0]
