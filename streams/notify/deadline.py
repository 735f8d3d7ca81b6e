"""An end to a whole exchange over a socket: timeouts of its steps alone let a slow drip go on for ever."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def deadline(seconds: float, find_socket: Callable[[], socket.socket | None]) -> Iterator[threading.Event]:
    """Break the connection when the time is over, which ends whatever waits for it with an OSError.

    Args:
        seconds: from now on.
        find_socket: gives the socket that is open at that moment, if there is one.

    Yields:
        An event that is set where the time was over.
    """
    is_over = threading.Event()

    def break_off() -> None:
        is_over.set()
        connection = find_socket()
        if connection is not None:
            with suppress(OSError):  # closed meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()
