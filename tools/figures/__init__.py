"""Figures that an issue or the README names, each measured by `python -m tools.figures.<name>`."""
