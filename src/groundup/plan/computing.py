"""The answer to `plan compute`: FLOPs of a training, and what they take on devices."""

from dataclasses import dataclass
from typing import Any, TypeVar

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.core.units import format_count, format_seconds
from groundup.estimate.compute import FLOPS_PER_PARAM, TrainingCompute, compute_of_model, compute_of_params, rows_of
from groundup.estimate.hardware import Hardware, catalogue
from groundup.estimate.spending import ASSUMED_MFU, DAY_S, DEFAULT_PUE, Spending, Utilisation, spend
from groundup.nn.config import ShapeName
from groundup.nn.presets import find_preset
from groundup.plan.hardware import named_hardware
from groundup.plan.utilisation import usual_mfu
from groundup.train.config import Recompute

DEFINITIONS = {
    "flops": "6 N D, N being all parameters; of encoder-decoders 3 N D, as each token meets about half of them (Brown et al. 2020)",
    "flops_attention": "12 L d s D: scores and weighted sums over the whole square, which 6 N D leaves out (PaLM, appendix B)",
    "flops_counted": "exact: each matrix by the tokens that it multiplies, the head once, no look-ups; and attention",
    "mfu": "(flops + flops_attention) / seconds / (devices x dense peak); nothing computed twice counts (PaLM, appendix B)",
    "hfu": "the same with flops_recomputed, what recompute executes again (Korthikanti et al. 2022)",
    "pf_days": "flops / 8.64e19",
}
Name = TypeVar("Name", bound=str)
SHAPES: tuple[ShapeName, ...] = ("decoder", "prefix_decoder", "encoder", "encoder_decoder")
RECOMPUTES: tuple[Recompute, ...] = ("none", "selective", "full")


@dataclass(frozen=True)
class ComputePlan:
    """What was asked, and the answer."""

    compute: TrainingCompute
    model: str | None
    seq_len: int | None
    target_len: int | None
    spendings: tuple[Spending, ...]
    """On the device asked for; on each of the catalogue that has a peak if none was."""
    chosen: bool
    """Whether a device was asked for."""

    def as_json(self) -> dict[str, Any]:
        """Return all numbers in plain SI, money in the user's."""
        compute = self.compute
        return {
            "model": self.model,
            "shape": compute.shape,
            "params": compute.params,
            "tokens": compute.tokens,
            "seq_len": self.seq_len,
            "target_len": self.target_len,
            "flops": compute.flops,
            "flops_attention": compute.attention_flops,
            "flops_counted": compute.counted_flops,
            "flops_recomputed": compute.recomputed_flops,
            "flops_per_token": compute.flops / compute.tokens,
            "pf_days": compute.pf_days,
            "device_hours": {spending.hardware.name: spending.device_hours for spending in self.spendings},
            "run": _run(self.spendings[0]) if self.chosen else None,
            "definitions": DEFINITIONS,
        }

    def render(self) -> str:
        """Return the answer for a person."""
        compute = self.compute
        factor = f"{FLOPS_PER_PARAM.get(compute.shape, 6.0):.0f}"
        lines = [
            f"model         {self.model or 'not named'} ({compute.shape.replace('_', '-')}), N = {compute.params:,.0f}",
            f"tokens        D = {compute.tokens:,.0f} ({compute.tokens / compute.params:.3g} a parameter)",
            f"flops         {compute.flops:.3e} = {factor} N D, {compute.pf_days:,.4g} PF-days",
        ]
        if compute.attention_flops is not None and compute.counted_flops is not None:
            lengths = f"{self.seq_len:,}" + (f" read, {self.target_len:,} written" if self.target_len else "")
            share = compute.attention_flops / compute.flops
            lines.append(f"attention     {compute.attention_flops:.3e} (+{share:.1%}) at a length of {lengths}")
            lines.append(f"counted       {compute.counted_flops:.3e}, matrix by matrix, look-ups left out")
        else:
            lines.append("attention     not known without the model: --model counts it")
        if compute.recomputed_flops:
            lines.append(f"recomputed    {compute.recomputed_flops:.3e} (+{compute.recomputed_flops / compute.model_flops:.1%})")
        lines += _render_run(self.spendings[0]) if self.chosen else _render_devices(self.spendings)
        return "\n".join(lines)


def plan_compute(
    tokens: float,
    model: str | None = None,
    params: float | None = None,
    shape: str | None = None,
    seq_len: int | None = None,
    target_len: int | None = None,
    recompute: str = "none",
    hardware: str | None = None,
    devices: int | None = None,
    precision: str | None = None,
    utilisation: Utilisation | None = None,
    pue: float | None = None,
    price_per_hour: float | None = None,
) -> ComputePlan:
    """Return the FLOPs of training a published `model`, or one of `params` parameters, and what they take.

    On `hardware` if it is named, else in device-hours on each of the catalogue. Raises ConfigError with the way out for whatever
    cannot be or has no effect.
    """
    again = _one_of("--recompute", recompute, RECOMPUTES)
    if (model is None) == (params is None):
        raise ConfigError("say either --model NAME ('groundup plan models' lists them) or --params N")
    if params is not None:
        _refuse("is for --model: without it the layers are not known", seq_len=seq_len, target_len=target_len)
        compute = compute_of_params(params, tokens, _one_of("--shape", shape or "decoder", SHAPES), again)
    else:
        config = find_preset(str(model)).config
        if shape is not None and shape != config.shape:
            raise ConfigError(f"--shape {shape}: {model} is of shape {config.shape}; leave --shape out")
        rows = rows_of(config, seq_len, target_len)
        seq_len, target_len = rows.read_len, rows.target_len if config.num_encoder_layers else None
        compute = compute_of_model(config, tokens, rows, again)
    use = utilisation or Utilisation()
    if hardware is None:
        told = vars(use)
        _refuse("has no effect without --hardware", devices=devices, precision=precision, pue=pue, price_per_hour=price_per_hour)
        _refuse("has no effect without --hardware", hfu=told.get("hfu"), tokens_per_s=told.get("tokens_per_s"))
        found = tuple(_spend(compute, device, use) for device in catalogue().values())
    else:
        pue = DEFAULT_PUE if pue is None else pue
        found = (_spend(compute, named_hardware(hardware), use, devices or 1, precision, pue, price_per_hour),)
    return ComputePlan(compute, model, seq_len, target_len, found, hardware is not None)


def _spend(
    compute: TrainingCompute,
    device: Hardware,
    use: Utilisation,
    devices: int = 1,
    precision: str | None = None,
    pue: float = DEFAULT_PUE,
    price_per_hour: float | None = None,
) -> Spending:
    """Return what the compute takes, at the usual utilisation of the device if none was said."""
    usual = usual_mfu(device, precision or device.training_precision) if use == Utilisation() else ASSUMED_MFU
    return spend(compute, device, use, devices, precision, pue, price_per_hour, usual)


def _one_of(option: str, given: str, known: tuple[Name, ...]) -> Name:
    for name in known:
        if name == given.replace("-", "_"):
            return name
    raise ConfigError(f"{option} {given}: {nearest(given, list(known))}")


def _refuse(why: str, **settings: object) -> None:
    for name, value in settings.items():
        if value is not None:
            raise ConfigError(f"--{name.replace('_', '-')} {value} {why}")


def _run(spending: Spending) -> dict[str, Any]:
    return {
        "hardware": spending.hardware.name,
        "precision": spending.precision,
        "peak_flops_per_s": spending.peak_flops_per_s,
        "devices": spending.devices,
        "mfu": spending.mfu,
        "mfu_source": spending.mfu_source,
        "hfu": spending.hfu,
        "tokens_per_s": spending.tokens_per_s,
        "device_hours": spending.device_hours,
        "elapsed_s": spending.elapsed_s,
        "power_w": spending.hardware.power_w,
        "pue": spending.pue,
        "energy_kwh": spending.energy_kwh,
        "price_per_hour": spending.price_per_hour,
        "cost": spending.cost,
    }


def _render_run(spending: Spending) -> list[str]:
    peak = format_count(spending.peak_flops_per_s, "FLOP/s")
    lines = [
        f"hardware      {spending.devices:,} x {spending.hardware.title}, {peak} dense in {spending.precision}",
        f"MFU           {spending.mfu:.2%} ({spending.mfu_source}); HFU {spending.hfu:.2%}",
        f"              MFU = {DEFINITIONS['mfu']}",
        f"speed         {spending.tokens_per_s:,.4g} tokens/s",
        f"time          {spending.elapsed_s / DAY_S:,.4g} days" if spending.elapsed_s > DAY_S else "",
        f"time          {format_seconds(spending.elapsed_s)}" if spending.elapsed_s <= DAY_S else "",
        f"device-hours  {spending.device_hours:,.4g}",
    ]
    if spending.energy_kwh is None:
        lines.append("energy        not known: no power is published for this device")
    else:
        power = f"{spending.hardware.power_w:.0f} W a device x PUE {spending.pue:g}"
        lines.append(f"energy        {spending.energy_kwh:,.4g} kWh at most, {power}; hosts and network come on top")
    if spending.cost is None:
        lines.append("cost          say --price-per-hour (of one device): prices are not guessed")
    else:
        lines.append(f"cost          {spending.cost:,.0f} at {spending.price_per_hour:g} a device-hour")
    return [line for line in lines if line]


def _render_devices(spendings: tuple[Spending, ...]) -> list[str]:
    width = max(len(spending.hardware.name) for spending in spendings)
    lines = [
        f"{spending.hardware.name:<{width}}  {spending.device_hours:>12,.4g} device-hours in {spending.precision}"
        for spending in spendings
    ]
    note = f"at {spendings[0].mfu:.0%} MFU ({spendings[0].mfu_source}); --hardware NAME tells time, energy and price"
    return ["", *lines, note]
