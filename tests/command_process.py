"""The command line as a script: one rank of a launch that `launches.together` starts."""

from groundup.cli import main

if __name__ == "__main__":  # a worker process imports this file too
    main()
