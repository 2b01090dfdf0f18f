"""`python -m sidecar`, the same as the command `sidecar`."""

from sidecar.commands.cli import main

if __name__ == "__main__":
    main(prog_name="sidecar")
