"""Figures of this machine: `python -m bench`, or `make bench`. docs/performance.md explains them."""
