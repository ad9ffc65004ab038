"""Checks of the doctor, health of the jobs, and ticket counts.

`bot.doctor` and `tasks.doctor` add the checks of Slack and of the workers.
"""
