"""Other tools that show runs, one file each."""
