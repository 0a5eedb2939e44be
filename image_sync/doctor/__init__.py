"""Looking whether everything is as a pass needs it: `image-sync doctor`.

What belongs here asks and tells: of the parts that a pass is made of, of the registries it talks
to, of this machine. It copies nothing and writes nothing, and every question has a deadline. It
stands beside `once` and `daemon`, because it is a third thing to do with the parts of `compose`.

Not here: how findings are printed (`examination.py`), and what an image needs, which is decided by
a pass that copies nothing.
"""

from image_sync.doctor.examining import Examined, examine

__all__ = ["Examined", "examine"]
