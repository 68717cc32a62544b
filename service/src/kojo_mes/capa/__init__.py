"""Corrective and preventive action."""
