"""A pass in which nothing has changed: many small requests.

Belongs here: its images, its contenders with their proofs, the order of events, its figures.
Nothing here copies a layer.
"""
