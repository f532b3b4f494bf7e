"""Measurements: ratios between two things in one run."""
