"""Draw the pictures of docs/numbers.md: draw_numbers.py [FOLDER]."""

import sys
from pathlib import Path

from groundup.report.number_formats import write_pictures

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Write the pictures and print their paths."""
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    sys.stdout.writelines(f"{path}\n" for path in write_pictures(Path(sys.argv[1]) if len(sys.argv) == 2 else IMAGES))


if __name__ == "__main__":
    main()
