"""Readings made into less: series of means, completeness of a shift, energy of a good unit."""
