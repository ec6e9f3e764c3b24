"""Messages come through a pipe whole and in order, whatever else is written to it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.run import Finished
from ablate.run.packets import Unpacker, packets
from ablate.run.pipe import lines, write
from ablate.run.wire import decode_event, encode
from ablate.spec import Outcome, Status

LONG = 4096

messages = st.builds(
    lambda text, times: (text * times).encode(),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40),
    st.sampled_from([1, 1, 1, 300, 700]),
)
pieces_of_packets = messages.flatmap(
    lambda message: st.integers(0, 30).map(lambda end: next(packets(message))[:-1][:end])
)
noise = (
    st.binary(max_size=60)
    | st.sampled_from([b"\x1e", b"\n", b'{"message": "Finished", "job": 1}\n', b"\x00" * 9000])
    | pieces_of_packets
).filter(lambda foreign: not Unpacker().take(foreign + b"\n"))
"""Whatever is no packet by itself."""


@st.composite
def noisy(draw):
    """Draw messages, and what a pipe carries of them amid noise that breaks no packet."""
    sent = draw(st.lists(messages, max_size=4))
    stream = b""
    for message in sent:
        for packet in packets(message):
            stream += draw(noise) + packet
    return sent, stream + draw(noise)


@given(noisy(), st.integers(1, 5000))
def test_noise_between_packets_loses_no_message_and_makes_none(drawn, size):
    sent, stream = drawn
    unpacker = Unpacker()
    got = []
    for at in range(0, len(stream), size):
        got += unpacker.take(stream[at : at + size])
    assert got == sent


@given(st.lists(messages, max_size=3), st.lists(noise.filter(bool), max_size=3))
def test_foreign_bytes_are_counted(sent, between):
    unpacker = Unpacker()
    for foreign in between:
        unpacker.take(b"!" + foreign[1:] + b"\n")
    for message in sent:
        assert unpacker.take(b"".join(packets(message))) == [message]
    assert unpacker.foreign == sum(len(foreign) + 1 for foreign in between)


def test_a_packet_is_written_in_one_piece():
    assert all(len(packet) <= LONG for packet in packets(b"x" * 100_000))
    assert len(list(packets(b"short"))) == 1


def test_a_line_without_end_is_not_kept():
    unpacker = Unpacker()
    for _ in range(100):
        unpacker.take(b"\x1e" + b"x" * 100_000)
    assert unpacker.foreign > 9_900_000
    assert unpacker.take(b"".join(packets(b"message"))) == [b"message"]


def test_a_message_that_was_never_finished_does_not_spoil_the_next():
    first, *_ = packets(b"x" * 10_000)
    unpacker = Unpacker()
    assert unpacker.take(first) == []
    assert unpacker.take(b"".join(packets(b"y" * 10_000))) == [b"y" * 10_000]


def test_the_rest_of_a_message_that_nobody_began_is_dropped():
    _, *rest = packets(b"x" * 10_000)
    assert Unpacker().take(b"".join(rest)) == []


@pytest.mark.parametrize("waits", [True, False])
def test_an_event_comes_through_a_pipe_that_others_write_to(waits):
    reading, writing = os.pipe()
    os.set_blocking(writing, waits)
    event = Finished(1, Outcome(Status.COMPLETE), fingerprints={"data": "x" * 20_000})
    os.write(writing, b"no newline")
    write(writing, encode(event))
    os.write(writing, b"{}\n")
    os.close(writing)
    (line,) = lines(reading)
    os.close(reading)
    assert decode_event(line) == event
