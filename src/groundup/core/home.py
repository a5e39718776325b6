"""Where groundup keeps what it learns of this machine from run to run."""

import os
from pathlib import Path

from groundup.core.errors import StorageError

HOME = "GROUNDUP_HOME"


def home() -> Path:
    """Return GROUNDUP_HOME, else the folder `groundup` of the user's state: $XDG_STATE_HOME, else ~/.local/state.

    Raises StorageError if the user has no home and none is named.
    """
    named = os.environ.get(HOME)
    if named:
        return Path(named).absolute()
    state = os.environ.get("XDG_STATE_HOME", "")
    if Path(state).is_absolute():  # others are to be ignored (XDG Base Directory Specification 0.8)
        return Path(state) / "groundup"
    try:
        return Path.home() / ".local" / "state" / "groundup"
    except RuntimeError:
        raise StorageError(f"this user has no home folder; name one for groundup's own notes: {HOME}=DIR") from None
