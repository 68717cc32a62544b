"""Lots and serials, what became of them, and what they were made of (ISO 9001 8.5.2)."""
