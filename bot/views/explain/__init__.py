"""The explanation of an assignment, for a modal and for a terminal.

It is computed in `services.assignment.explanation`.
"""
