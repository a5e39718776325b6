"""`groundup` and `python -m groundup`, as torchrun starts it: the command line, in a process that suits what it is to do."""

import sys

from groundup.core.allocator import begin_with_settings
from groundup.core.lazy import lazy

cli = lazy("groundup.cli")
_TRAINING = {"demo", "plan", "preflight", "pretrain", "run", "scaling"}
"""Commands that train, or measure training. For others the allocator's settings gain nothing: curation is 3 % slower."""


def main() -> None:
    """Run the command line."""
    if not _TRAINING.isdisjoint(sys.argv[1:2]):
        begin_with_settings()
    cli.main()


if __name__ == "__main__":  # a worker process imports this file too
    main()
