"""Analyse and assign a ticket."""
