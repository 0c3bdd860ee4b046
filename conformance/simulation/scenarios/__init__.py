"""Scripted schedules: each takes a Script whose members have not started and steps it to where one mistake would show.

A scenario asserts nothing. What it did is a Run, and the checker judges that: with the mistake switched off it must hold.
"""
