"""What may lie in the folder of the embedded registry, and what a process holds."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_FOLDER: Final = rf"(?:{_COMPONENT}/)*{_COMPONENT}"
_BLOB: Final = re.compile(rf"{_FOLDER}/blobs/(?:sha256/[0-9a-f]{{64}}|sha512/[0-9a-f]{{128}})")
_UPLOAD: Final = re.compile(rf"{_FOLDER}/\.uploads/[^/]+")
_OTHERS: Final = re.compile(
    rf"\.image-sync\.(?:lock|collected)|{_FOLDER}/(?:index\.json|oci-layout|\.(?:index\.json|oci-layout)\.\w+)"
)


def wrong_files(root: Path) -> Iterator[str]:
    """What should not be in the folder, and blobs that are not what their name says."""
    for file in _files(root):
        path = str(file.relative_to(root))
        if file.is_symlink() or not file.is_file():
            yield f"{path} is no file"
        elif _BLOB.fullmatch(path):
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, file.parent.name).hexdigest()
            if found != file.name:
                yield f"{path} has the bytes of {found}"
        elif not (_UPLOAD.fullmatch(path) or _OTHERS.fullmatch(path)):
            yield f"{path} should not be there"


def blobs(root: Path) -> Iterator[tuple[str, str]]:
    """Repository and digest of all content that is there."""
    for file in _files(root):
        path = str(file.relative_to(root))
        if _BLOB.fullmatch(path):
            name, _, rest = path.rpartition("/blobs/")
            yield name, rest.replace("/", ":")


def unfinished(root: Path) -> list[Path]:
    """Files of uploads that are on their way, or were left."""
    return [file for file in _files(root) if _UPLOAD.fullmatch(str(file.relative_to(root)))]


def temporary(root: Path) -> list[Path]:
    """All files that have another name when they are finished."""
    return [file for file in _files(root) if file.name.startswith(".") and file.parent != root] + [
        file for file in unfinished(root) if not file.name.startswith(".")
    ]


def resident_bytes(pid: int) -> int:
    """Memory that a process has now (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """How many a process has open (Linux)."""
    return sum(1 for _ in os.scandir(f"/proc/{pid}/fd"))


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        yield from (Path(folder, name) for name in names)
        yield from (link for name in folders if (link := Path(folder, name)).is_symlink())
