"""What a registry loses behind its own back, as by a damaged disk or a collector of garbage."""

from tests.real.running import RunningRegistry


def lose_blob(registry: RunningRegistry, digest: str) -> None:
    """Remove a blob's files from a registry's disk, in every repository.

    Zot keeps one named for the digest in each repository, distribution one named `data` and, in
    each repository, one named `link`, in folders named for it. No request does the same: Zot
    refuses to delete a blob that a manifest needs.
    """
    name = digest.partition(":")[2]
    files = [path for path in registry.root.rglob("*") if path.is_file()]
    lost = [path for path in files if name in {path.name, path.parent.name}]
    assert lost, f"{digest} is not there"
    for path in lost:
        path.unlink()
