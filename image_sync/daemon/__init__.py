"""The process that runs until it is told to end: what is due when, under which configuration.

`process.py` is its start, its signals and its end; `life.py` has images worked on as they come due;
`generation.py` is one configuration at work. Nothing here checks or copies an image.
"""

from image_sync.daemon.process import Process, Source

__all__ = ["Process", "Source"]
