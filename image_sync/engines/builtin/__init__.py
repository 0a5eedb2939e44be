"""The engine of our own, over `registry/`: streams, shares, resumes, and touches no disk.

What belongs here: what moves when, between which repositories, and in how many bytes at once. What
does not: requests and what their answers mean (`registry/`), and moving tags (`sync/commit.py`).
"""

from image_sync.engines.builtin.bandwidth import Bandwidth
from image_sync.engines.builtin.engine import Builtin

__all__ = ["Bandwidth", "Builtin"]
