"""What the readings of a line's machines say: its states and its production, by rule (docs/shop-floor.md)."""
