"""A daemon's days in virtual time: the real life, lanes and doorkeepers over simulated registries.

`timetable.py` says what happens when, `host.py` is a registry that notices when it is treated
badly, `work.py` is what checks and copies, `record.py` is what was seen.
"""
