"""Kills with -9 at random moments: image-sync, the source, and the cache, by turns.

`python -m tests.kill` makes passes over images that move, kills one of the three in the middle of
each, and reads everything that the cache then serves. What is checked is said in `rounds.py`. A
few rounds with a fixed seed are part of the gate (`test_kill.py`). Two at once on one cache are in
`tests/e2e/test_two_at_once.py`.
"""
