"""Quality checks made by the lines."""
