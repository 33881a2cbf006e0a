"""What the exit status of a command says, and the errors that only a command line has.

      0  done
      1  the job failed for good, or a check of `kavox doctor` did; anything that is not below
      2  the command line is wrong, or a file that it names cannot be read or written
     65  the service refuses the request (EX_DATAERR)
     69  no service answers (EX_UNAVAILABLE)
     75  it may work when it is tried again: a job failed for a passing reason, or the service is busy (EX_TEMPFAIL)
     77  the API key is missing, wrong, or not allowed to do this (EX_NOPERM)
     78  a setting is wrong (EX_CONFIG)
    124  the job waited for as long as it may, for want of GPU quota for example; as `timeout` ends
    130  the job was canceled, or Ctrl-C was pressed; as shells have it

`docs/cli.md` has the same table. The codes of 64 and above are those of sysexits.h where it has one.
"""

import os

from app.shared.errors import (
    ConfigurationError,
    Conflict,
    Forbidden,
    Gone,
    KavoxError,
    NotFound,
    Permanent,
    RequestRefused,
    Transient,
    Unauthorized,
)

WAITED_TOO_LONG = 124
CANCELED = 130
USAGE = 2

_BY_CODE = {"canceled": CANCELED, "wait_expired": WAITED_TOO_LONG, "waiting_for_quota": WAITED_TOO_LONG}


class WrongUsage(Permanent):
    """The command line cannot be followed, or a file that it names cannot be read or written."""

    code = "wrong_usage"


class ServiceUnreachable(Transient):
    """No Kavox answers where one was looked for."""

    code = "service_unreachable"


class Canceled(Permanent):
    """The job was canceled, by Ctrl-C or by somebody else."""

    code = "canceled"


def exit_code(error: KavoxError) -> int:
    """The exit status of a command that ended with this error."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    kinds: tuple[tuple[type[KavoxError] | tuple[type[KavoxError], ...], int], ...] = (
        (WrongUsage, USAGE),
        (ConfigurationError, os.EX_CONFIG),
        (ServiceUnreachable, os.EX_UNAVAILABLE),
        ((Unauthorized, Forbidden), os.EX_NOPERM),
        ((RequestRefused, NotFound, Conflict, Gone), os.EX_DATAERR),
        (Transient, os.EX_TEMPFAIL),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), 1)
