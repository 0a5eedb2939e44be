"""Weeks of trouble in minutes: image-sync runs on while tags move and registries and tools die.

`python -m tests.soak` starts image-sync once and lets it run. What is done to it is in
`trouble.py`, what must hold at the end in `soak.py`. Two minutes with a fixed seed are part of the
gate (`test_soak.py`). Kills of image-sync itself are in `tests/kill`.
"""
