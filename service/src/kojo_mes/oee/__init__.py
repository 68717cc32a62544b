"""Overall equipment effectiveness by ISO 22400-2, at once and rolled up by shift."""
