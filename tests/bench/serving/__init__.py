"""Pushing blobs into the embedded registry and pulling them, beside CNCF distribution.

The client is the same plain one for both, and is no part of image-sync. Belongs here: the client,
the order of events, and the table.
"""
