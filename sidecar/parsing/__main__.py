"""One parser process: `python -m sidecar.parsing`, started by the pool."""

from sidecar.parsing.process import main

main()
