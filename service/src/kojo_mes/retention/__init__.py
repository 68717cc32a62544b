"""Months of readings and audit rows: archived, restored to be checked, and let go when their date has come."""
