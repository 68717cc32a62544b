"""Production counts: good, scrap and rework of a line and product, each counted once."""
