"""`python -m groundup` is the command line; torchrun starts it so."""

from groundup.cli import main

main()
