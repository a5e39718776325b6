"""Draw the pictures of README.md from a finished run: draw_pictures.py RUN [FOLDER]."""

import sys
from pathlib import Path

from groundup.report.pictures import write_pictures

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Write the pictures of the run that the command line names and print their paths."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = Path(sys.argv[2]) if len(sys.argv) == 3 else IMAGES
    sys.stdout.writelines(f"{path}\n" for path in write_pictures(Path(sys.argv[1]), folder))


if __name__ == "__main__":
    main()
