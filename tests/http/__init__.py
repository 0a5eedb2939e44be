"""Tests of image_sync.http: rules as tables, and real sockets for what travels."""
