"""The shift calendar: patterns, their shifts, and exceptions."""
