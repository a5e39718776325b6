"""What compute costs on devices: time, energy, money."""

from dataclasses import dataclass

from groundup.core.errors import ConfigError
from groundup.estimate.compute import TrainingCompute
from groundup.estimate.hardware import Hardware

ASSUMED_MFU = (0.40, "assumed: Llama team 2024, table 4, has 38 to 43 % on 8,192 and 16,384 H100 in bf16")
"""Of devices that no published run in the fit of the step time was on, with where it is from."""
DEFAULT_PUE = 1.1
"""Patterson et al. 2021, table 4: the data centres of GPT-3 and T5."""
HOUR_S, DAY_S = 3600.0, 86400.0


@dataclass(frozen=True)
class Utilisation:
    """The share of the devices' peak that serves the model, in one of the three ways that it is told."""

    mfu: float | None = None
    """Model FLOPs over peak."""
    hfu: float | None = None
    """The same with what is computed again."""
    tokens_per_s: float | None = None
    """A speed that was measured, of all devices together."""

    def resolve(
        self, compute: TrainingCompute, peak_flops_per_s: float, usual: tuple[float, str] = ASSUMED_MFU
    ) -> tuple[float, str]:
        """Return the MFU and where it is from; `usual` if nothing was said.

        Raises ConfigError if more than one is said, or what is said does not lie above 0 and at most at the peak.
        """
        said = {name: value for name, value in vars(self).items() if value is not None}
        if len(said) > 1:
            flags = ", ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in said.items())
            raise ConfigError(f"{flags}: these say the same thing in several ways; keep one")
        if self.tokens_per_s is not None:
            mfu, source = compute.mfu(self.tokens_per_s, peak_flops_per_s), f"measured: {self.tokens_per_s:,.6g} tokens/s"
        elif self.hfu is not None:
            mfu, source = self.hfu / compute.hfu(1.0), f"of a hardware FLOPs utilisation of {self.hfu:.4g}"
        elif self.mfu is not None:
            mfu, source = self.mfu, "as given"
        else:
            return usual
        if not (mfu > 0 and compute.hfu(mfu) <= 1 + 1e-9):
            raise ConfigError(
                f"{', '.join(said)}={next(iter(said.values())):g} makes an MFU of {mfu:.4g} and an HFU of {compute.hfu(mfu):.4g}; "
                "both are shares of the peak, above 0 and at most 1 (30 % is 0.3)"
            )
        return mfu, source


@dataclass(frozen=True)
class Spending:
    """One training on a number of devices of a kind."""

    compute: TrainingCompute
    hardware: Hardware
    precision: str
    devices: int
    mfu: float
    mfu_source: str
    pue: float = DEFAULT_PUE
    price_per_hour: float | None = None
    """Of one device, in the money of the user."""

    @property
    def peak_flops_per_s(self) -> float:
        """Of one device."""
        return self.hardware.peak(self.precision)

    @property
    def hfu(self) -> float:
        return self.compute.hfu(self.mfu)

    @property
    def device_hours(self) -> float:
        return self.compute.model_flops / (self.peak_flops_per_s * self.mfu) / HOUR_S

    @property
    def elapsed_s(self) -> float:
        return self.device_hours * HOUR_S / self.devices

    @property
    def tokens_per_s(self) -> float:
        """Of all devices together."""
        return self.compute.tokens / self.elapsed_s

    @property
    def energy_kwh(self) -> float | None:
        """Of the devices at their full power, times `pue`; hosts and network come on top. None if no power is published."""
        power_w = self.hardware.power_w
        return None if power_w is None else self.device_hours * power_w / 1000 * self.pue

    @property
    def cost(self) -> float | None:
        return None if self.price_per_hour is None else self.device_hours * self.price_per_hour


def spend(
    compute: TrainingCompute,
    hardware: Hardware,
    utilisation: Utilisation,
    devices: int = 1,
    precision: str | None = None,
    pue: float = DEFAULT_PUE,
    price_per_hour: float | None = None,
    usual: tuple[float, str] = ASSUMED_MFU,
) -> Spending:
    """Return what `compute` takes on `devices` of that kind, in the precision that training has there unless another is said.

    `usual` is the MFU, and where it is from, if `utilisation` says none.

    Raises ConfigError for numbers that cannot be: no devices, a negative price, a PUE below 1, a precision that the device lacks.
    """
    if devices < 1:
        raise ConfigError(f"--devices {devices}: at least 1")
    if pue < 1:
        raise ConfigError(
            f"--pue {pue:g}: power usage effectiveness is what the building draws over what its computers do, at least 1"
        )
    if price_per_hour is not None and price_per_hour < 0:
        raise ConfigError(f"--price-per-hour {price_per_hour:g}: of one device, not below 0")
    precision = precision or hardware.training_precision
    mfu, source = utilisation.resolve(compute, devices * hardware.peak(precision), usual)
    return Spending(compute, hardware, precision, devices, mfu, source, pue, price_per_hour)
