"""Plays the plant's lines against the API."""
