"""The pages of the App Home: overview, ticket lists, one ticket, people.

Their content comes from `services.home` and `services.lists`; the settings page is in
`bot.views.modals.team_settings`.
"""
