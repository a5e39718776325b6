"""`python -m groundup` is the command line; torchrun starts it so."""

from groundup.cli import main

if __name__ == "__main__":  # a worker process imports this file too
    main()
