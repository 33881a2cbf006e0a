"""What RQ calls, by dotted name. Each may be called twice, or for something that is no longer there."""

from workers.runtime import runtime


def run_lane(lane: str) -> None:
    """Claims what waits in a lane and carries it to its end."""
    runtime().synthesis.run_lane(lane)


def resume_run(run_id: str) -> None:
    """Goes on with a run that nobody owns."""
    runtime().synthesis.resume(run_id)
