"""Selections and pages of tickets."""
