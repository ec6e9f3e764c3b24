"""Messages on a pipe that foreign bytes may come through as well.

User code may write to any descriptor of its process. So a message travels in packets, each short
enough to be written in one piece (see pipe(7), PIPE_BUF) and with a checksum:

    record separator, checksum, place in the message, part of the message, newline

Neither the separator nor a newline is ever part of a message. What is no packet is dropped.
"""

import select
import zlib
from collections.abc import Iterator

_START = b"\x1e"
_END = b"\n"
_SUM = 8
_SIZE = min(getattr(select, "PIPE_BUF", 512), 4096)
"""How long a packet may be, with all that belongs to it."""

_ROOM = _SIZE - len(_START) - _SUM - 1 - len(_END)
_WHOLE, _FIRST, _MIDDLE, _LAST = b"w", b"f", b"m", b"l"
"""The places of a packet in its message."""


def packets(message: bytes) -> Iterator[bytes]:
    """Cut a message, a line of ASCII, into packets, each to be written at once."""
    parts = [message[at : at + _ROOM] for at in range(0, len(message), _ROOM)] or [b""]
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        place = (_WHOLE if last else _FIRST) if first else (_LAST if last else _MIDDLE)
        yield _START + _checksum(place + part) + place + part + _END


class Unpacker:
    """Puts messages together again; `foreign` counts the bytes that belonged to none."""

    def __init__(self) -> None:
        self.foreign = 0
        self._unread = b""
        self._parts: list[bytes] = []

    def take(self, data: bytes) -> list[bytes]:
        """Take the next bytes of a pipe and return the messages that are whole by now."""
        *lines, self._unread = (self._unread + data).split(_END)
        if len(self._unread) > _SIZE:  # no packet is as long: it may at most end with one's begin
            self.foreign += len(self._unread) - _SIZE
            self._unread = self._unread[-_SIZE:]
        return [message for line in lines for message in self._read(line)]

    def _read(self, line: bytes) -> Iterator[bytes]:
        before, start, packet = line.rpartition(_START)
        checksum, content = packet[:_SUM], packet[_SUM:]
        place, part = content[:1], content[1:]
        if not start or checksum != _checksum(content):
            self.foreign += len(line) + len(_END)
            return
        self.foreign += len(before)
        if place in {_WHOLE, _FIRST}:
            self._parts = []  # of a message that was never finished, if there are any
        elif not self._parts:
            return
        self._parts.append(part)
        if place in {_WHOLE, _LAST}:
            yield b"".join(self._parts)
            self._parts = []


def _checksum(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)
