"""What state a line is in, from when to when, and why."""
