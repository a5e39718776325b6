"""The calibration as a user asks for it."""

from groundup.estimate.calibration.book import Book
from groundup.estimate.calibration.overview import Overview, overview
from groundup.estimate.calibration.record import this_machine
from groundup.plan.machine import usable_cores


def plan_calibration(forget: bool = False) -> Overview:
    """Return what earlier runs say to plans on this machine; with `forget` the file is removed, and what it held returned.

    Raises StorageError if the file can not be read, or not be removed.
    """
    found = overview(this_machine(usable_cores()))
    if forget:
        Book().forget()
    return found
