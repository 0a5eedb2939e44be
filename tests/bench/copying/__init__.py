"""A pass into an empty cache: many bytes.

Belongs here: images with large layers, contenders that copy them, the proof that all of them
arrived, the order of events, and its figures.
"""
