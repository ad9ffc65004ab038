"""The domain objects: tickets, users, events, comments, permissions.

They hold no queries; the packages above read and write them.
"""
