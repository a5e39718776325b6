"""The errors a user can meet.

Each says what is wrong, the values that clash, where (dotted key, or file:line), and the way out. The class decides the exit code.
"""

REMAKE = "remake it: the same command with --force, or 'groundup run' with --from STAGE"
"""The way out of damage."""


class GroundupError(Exception):
    """Base of all errors that groundup raises on purpose."""

    exit_code = 1


class ConfigError(GroundupError):
    """A setting is unknown, impossible, or has no effect."""

    exit_code = 2


class ArtifactError(GroundupError):
    """A folder is not the artifact it should be: missing, unfinished, damaged, of another kind, or in use."""

    exit_code = 2


class BudgetError(GroundupError):
    """What was asked for costs more time or memory than there is."""

    exit_code = 2


class DataError(GroundupError):
    """Input text cannot be read, or there is too little of it."""

    exit_code = 2


class StorageError(GroundupError):
    """The operating system refused a read or a write: disk full, no permission, a vanished file."""

    exit_code = 2


class DivergedError(GroundupError):
    """Training left the numbers that it can go on from: a loss or gradient is not finite."""

    exit_code = 2


class WorkerError(GroundupError):
    """A process that did a part of the work died."""

    exit_code = 1


class FailedElsewhere(GroundupError):  # noqa: N818  the error is another process'
    """Another process of the launch failed, and has said why: this one ends with its exit code and without a word."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of the launch failed")
        self.exit_code = exit_code


class MissingExtraError(GroundupError):
    """An optional dependency is needed and not installed."""

    exit_code = 2


class VerificationError(GroundupError):
    """A result did not pass the check that groundup makes before calling it done."""

    exit_code = 1


class Stopped(GroundupError):  # noqa: N818  not an error: the user asked for it
    """The work was stopped on purpose (signal, budget); the same command goes on from where it was."""

    exit_code = 3
