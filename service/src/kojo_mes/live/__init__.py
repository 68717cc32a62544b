"""Live state of the lines, as server-sent events."""
