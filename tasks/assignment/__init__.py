"""Analyse a ticket and assign it.

The ranking is in `services.assignment`, the call to Gemini in `tasks.gemini`.
"""
