"""Choose an assignee, explain the choice, reassign."""
