"""What the domains share."""
