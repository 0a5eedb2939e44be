"""Tests of image_sync.credentials: files, keys, helpers, and what must not be told."""
