"""Slack payload in, one service call, reply out."""
