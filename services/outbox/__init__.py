"""What is still to be delivered: ticket messages, reminders, replies and emails.

It sends nothing: `tasks.notifications` does.
"""
