"""Undoes compression in pieces of bounded size, for servers that compress although nobody asked them to."""

from __future__ import annotations

import zlib

from neuralterm.domain.exceptions import StreamInterruptedError

_LARGEST_PIECE = 64 * 1024
# Tells gzip from zlib by itself.
_ANY_HEADER = 32 + zlib.MAX_WBITS
_KNOWN = ("gzip", "x-gzip", "deflate")


class Inflater:
    """Takes compressed blocks and gives out pieces, however much one block unfolds to.

    Raises StreamInterruptedError for an encoding that it does not know, and for data that is damaged.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in _KNOWN:
            raise StreamInterruptedError("the service sent an answer in a compression that was not asked for")
        self._stream = zlib.decompressobj(_ANY_HEADER)
        self._packed = b""

    def feed(self, block: bytes) -> None:
        """Take the next compressed bytes."""
        self._packed += block

    def piece(self) -> bytes:
        """Return the next piece; empty when more has to be fed first."""
        if self._stream.eof or not self._packed:
            return b""
        try:
            piece = self._stream.decompress(self._packed, _LARGEST_PIECE)
        except zlib.error as exc:
            raise StreamInterruptedError("the service sent a compressed answer that can't be read") from exc
        self._packed = self._stream.unconsumed_tail
        return piece
