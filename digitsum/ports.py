"""Ports of this machine, for pages that are served to it alone."""

import socket

from digitsum.errors import InputError


def require_free(port: int, command: str) -> None:
    """
    Raises:
        InputError: if the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"port {port} is taken; {command} PORT={port + 1}") from error
