"""Measuring equipment and its calibration."""
