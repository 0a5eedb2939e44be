"""What is told over HTTP: probes and metrics.

Reads what it is given and decides nothing; sockets are the business of `runtime/serve.py`. The only
importer of starlette.
"""

from image_sync.server.app import Vitals, application

__all__ = ["Vitals", "application"]
