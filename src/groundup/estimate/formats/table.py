"""The number formats by name."""

from typing import Final

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.estimate.formats.base import NumberFormat
from groundup.estimate.formats.floats import FloatFormat
from groundup.estimate.formats.integers import IntegerFormat

IEEE: Final = "IEEE 754-2019, table 3.5"
OFP8: Final = "OCP 8-bit Floating Point Specification 1.0 (2023); Micikevicius et al. 2022, table 1"
FORMATS: Final[dict[str, NumberFormat]] = {
    format_.name: format_
    for format_ in (
        FloatFormat("fp32", "FP32", exponent_bits=8, fraction_bits=23, source=IEEE),
        FloatFormat("fp16", "FP16", exponent_bits=5, fraction_bits=10, source=IEEE),
        FloatFormat("bf16", "BF16", exponent_bits=8, fraction_bits=7, source="Kalamkar et al. 2019, section 2"),
        FloatFormat("fp8_e4m3", "FP8 E4M3", exponent_bits=4, fraction_bits=3, source=OFP8, has_infinity=False),
        FloatFormat("fp8_e5m2", "FP8 E5M2", exponent_bits=5, fraction_bits=2, source=OFP8),
        IntegerFormat("int8", "INT8", fraction_bits=7, source="Jacob et al. 2018, section 2.1; Dettmers et al. 2022, section 2.1"),
        IntegerFormat("int4", "INT4", fraction_bits=3, source="Frantar et al. 2023; Lin et al. 2024"),
    )
}


def find_format(name: str) -> NumberFormat:
    """Return the format of that name, in any case, with - or _; raise ConfigError with the nearest known one if there is none."""
    plain = name.strip().lower().replace("-", "_").replace(" ", "_")
    if plain not in FORMATS:
        raise ConfigError(f"no number format '{name.strip()}'; {nearest(plain, list(FORMATS))}")
    return FORMATS[plain]
