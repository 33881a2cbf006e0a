"""Reads the body of an answer within a time of its own.

A time-out between two bytes, which is all that requests knows, bounds no peer that sends one byte now and then.
"""

import time
from collections.abc import Iterator

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

_PIECE_BYTES = 256 * 1024


def pieces(response: requests.Response, seconds: float) -> Iterator[bytes]:
    """The body as it comes. Raises requests' errors, ReadTimeout also for a body that is not whole after `seconds`."""
    deadline = time.monotonic() + seconds
    try:
        # `read` and requests' own iteration would wait for a full piece, however slowly it fills.
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            yield piece
            if time.monotonic() > deadline:
                raise requests.ReadTimeout(f"not whole after {seconds:g} s")
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from None
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from None
