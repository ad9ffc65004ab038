"""Collect what every package of `services` declares. No package of `services` imports this one."""
