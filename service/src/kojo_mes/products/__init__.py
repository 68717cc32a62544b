"""Products and their ideal cycle times on each line."""
