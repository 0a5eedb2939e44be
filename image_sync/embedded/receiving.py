"""The bodies of requests on their way in: manifests whole, blobs piece by piece."""

from collections.abc import Iterable

from anyio import to_thread
from starlette.requests import Request

from image_sync.embedded.answers import whereabouts
from image_sync.embedded.ranges import parse_chunk
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.embedded.uploads import Upload, Uploads

_BUFFER = 1024 * 1024
"""Bytes that are written to a file at once: a thread is asked once for each."""
_PIECES = 256
"""Pieces that are held for that; each has some 50 bytes of its own, and some are of one byte."""


async def receive_whole(request: Request, most: int) -> bytes:
    """The body of a request.

    Args:
        request: The request.
        most: Bytes that it may have.

    Raises:
        RefusedError: It has more.
        ClientDisconnect: It ended before its time.
    """
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > most:
            raise RefusedError(Code.SIZE_INVALID, f"a manifest may have {most} bytes at most")
    return bytes(content)


async def receive_blob(request: Request, upload: Upload, uploads: Uploads) -> None:
    """Have an upload take the body of a request.

    What came before a connection broke stays: the client may go on there.

    Raises:
        RefusedError: It is not what has to come next. If it was seen too late the upload is over.
        OSError: The disk does not take it; the upload is over.
        ClientDisconnect: It ended before its time.
    """
    expected = _expected(request, upload)
    began = upload.size
    try:
        await _append(request, upload)
    except OSError:
        uploads.end(upload)  # its room is for others now
        raise
    came = upload.size - began
    if expected is not None and came != expected:
        uploads.end(upload)
        text = f"Content-Range speaks of {expected} bytes, and {came} came: begin anew"
        raise RefusedError(Code.BLOB_UPLOAD_INVALID, text)


async def _append(request: Request, upload: Upload) -> None:
    pieces, held = list[bytes](), 0
    try:
        async for piece in request.stream():
            pieces.append(piece)
            held += len(piece)
            if held >= _BUFFER or len(pieces) >= _PIECES:
                full, pieces, held = pieces, [], 0  # never twice, wherever this is broken off
                await to_thread.run_sync(_append_all, upload, full)
    finally:
        _append_all(upload, pieces)


def _append_all(upload: Upload, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        upload.append(piece)


def _expected(request: Request, upload: Upload) -> int | None:
    """How many bytes a request says it has, None if it does not.

    Raises:
        RefusedError: They do not go on where the upload ends.
    """
    told = request.headers.get("Content-Range")
    if told is None:
        return None
    chunk = parse_chunk(told)
    if chunk is None:
        raise RefusedError(Code.BLOB_UPLOAD_INVALID, "Content-Range must be START-END")
    length = request.headers.get("Content-Length")
    if chunk.start != upload.size or (length and int(length) != chunk.stop - chunk.start):
        text = f"the upload has {upload.size} bytes: go on there, with as many as are sent"
        headers = whereabouts(upload)
        raise RefusedError(Code.BLOB_UPLOAD_INVALID, text, status=416, headers=headers)
    return chunk.stop - chunk.start
