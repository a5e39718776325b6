"""How numbers are stored in few bits."""

from groundup.estimate.formats.base import NumberFormat
from groundup.estimate.formats.table import FORMATS, find_format

__all__ = ["FORMATS", "NumberFormat", "find_format"]
