"""What errors say: what happened, and what to do."""

import pytest

from app.shared import errors


@pytest.mark.parametrize(
    ("kind", "code", "remedy"),
    [
        (errors.HostUnreachable, "kaggle_unreachable", "network"),
        (errors.KernelNotFound, "kernel_not_found", "Send the job again"),
        (errors.QuotaExhausted, "waiting_for_quota", "comes back once a week"),
        (errors.InjectionFailed, "injection_failed", "docs/adding-a-provider.md"),
    ],
)
def test_the_four_troubles_say_what_to_do(kind: type[errors.KavoxError], code: str, remedy: str) -> None:
    """Whatever happened in particular, a job's error ends with the remedy."""
    told = kind("this is what happened").view()
    assert told["code"] == code
    assert told["detail"].startswith("this is what happened. ")
    assert remedy in told["detail"]


def test_an_error_without_a_remedy_of_its_kind_says_its_detail() -> None:
    """Most details say themselves what to do."""
    assert errors.Gone("it has expired").view()["detail"] == "it has expired"
