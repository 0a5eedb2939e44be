"""What is asked of the Kubernetes cluster that this process runs in: the Lease, and no more.

Whoever leads by it works (`election.py`). Nothing here knows of images or registries, and no
Kubernetes package is used: three calls over `http/` are all there is.
"""

from image_sync.kubernetes.election import Election
from image_sync.kubernetes.leases import PodLeases, reaching
from image_sync.kubernetes.pod import ACCOUNT, Pod, find_pod
from image_sync.kubernetes.record import Leases, Record
from image_sync.kubernetes.terms import SHORTEST

__all__ = [
    "ACCOUNT",
    "SHORTEST",
    "Election",
    "Leases",
    "Pod",
    "PodLeases",
    "Record",
    "find_pod",
    "reaching",
]
