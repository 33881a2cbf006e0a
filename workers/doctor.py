"""The checks of `kavox doctor` that need what only a worker has: `python -m workers.doctor [--offline] [--live]`.

Prints a finding a line, as JSON, and exits with 0 whatever it finds. SIGTERM and Ctrl-C leave nothing on Kaggle.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from types import FrameType

from app.shared.finding import Finding
from app.shared.settings import Settings, load_settings
from workers import account_checks, notebook_checks

_STOPS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Looks at everything, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m workers.doctor", description=__doc__)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--live", action="store_true")
    chosen = parser.parse_args()
    for number in _STOPS:
        signal.signal(number, _stop)
    for finding in _findings(load_settings(), offline=chosen.offline, live=chosen.live):
        sys.stdout.write(finding.to_json() + "\n")
        sys.stdout.flush()
    return 0


def _stop(number: int, _: FrameType | None) -> None:
    # A second signal must not disturb the clean-up.
    for other in _STOPS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def _findings(settings: Settings, *, offline: bool, live: bool) -> Iterator[Finding]:
    yield from notebook_checks.packages()
    yield from notebook_checks.notebooks(settings)
    yield from account_checks.credentials_file()
    if offline:
        yield account_checks.credentials_at_hand(settings)
        return
    answers = yield from account_checks.account(settings)
    if live:
        # Brings what only runs need, which takes a while.
        from workers.canary import canary  # noqa: PLC0415

        yield from canary(settings, reachable=answers)


if __name__ == "__main__":
    sys.exit(main())
