"""Why a ticket went to its assignee."""
