from groundup.train.status import status_line

ROW = {
    "loss": 4.12345,
    "tokens_per_s": 12_345.6,
    "mfu": 0.554,
    "grad_norm": 0.5312,
    "update_ratio": 0.00123,
    "data_wait_s": 0.002,
    "step_s": 1.0,
    "peak_memory_bytes": 1_230_000_000,
}


def test_the_loss_and_what_hooks_tell_come_first() -> None:
    assert status_line(ROW, ["held-out 4.200", None]) == (
        "loss 4.123  held-out 4.200  12.3k tok/s  MFU 55%  gradient 0.53  update 1.2e-03  data wait 0.2%  1.23 GB"
    )


def test_what_is_no_number_is_said_or_left_out() -> None:
    line = status_line({**ROW, "grad_norm": None, "update_ratio": None})
    assert "  gradient overflows  data wait" in line
