"""Business hours, working time between two moments, and public holidays.

It knows no tickets: due dates are computed in `services.sla`.
"""
