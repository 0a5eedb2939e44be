"""What image-sync does, shown on one machine within seconds: `image-sync demo`.

Two registries of our own on sockets of this machine, images made on the spot, and real passes from
one into the other. Every number that is told was counted where it happened, and one that is not
what it must be makes the demo fail: it is the smoke test of what it is installed from, too.

Nothing here is needed by a pass; how a terminal is written to is the caller's (`cli/`).
"""

from image_sync.demo.life import Outcome, play
from image_sync.demo.telling import Teller

__all__ = ["Outcome", "Teller", "play"]
