"""Readings of the sensors: taken in, kept, shown."""
