"""Checks of the doctor, job runs, ticket counts and failing items.

`bot.doctor` and `tasks.doctor` add the checks of Slack and of the workers.
"""
