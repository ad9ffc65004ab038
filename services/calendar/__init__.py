"""Business hours, working time between two moments, and public holidays.

It depends on no ticket: due dates are computed in `services.sla`.
"""
