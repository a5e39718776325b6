"""Devices by name."""

from groundup.estimate.hardware.catalogue import catalogue, find_hardware
from groundup.estimate.hardware.device import THIS, Hardware, PeakName

__all__ = ["THIS", "Hardware", "PeakName", "catalogue", "find_hardware"]
