"""Choose an assignee, explain the choice, reassign a ticket.

`assignment_service.AssignmentService` reads and writes; `ranking.choose_assignee` decides and is
pure.
"""
