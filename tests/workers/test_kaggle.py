"""The Kaggle adapter against the emulator: what it sends, and what it makes of Kaggle's answers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.shared.errors import (
    CredentialsRejected,
    HostUnreachable,
    PushRefused,
    PushUncertain,
    QuotaExhausted,
    SessionsTaken,
)
from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import KaggleCredentials
from tests.workers.emulator.driver import KEY, OWNER, Emulator, notebook, wait_for
from workers.kaggle import KaggleHost
from workers.kernel import Kernel, KernelState, Push
from workers.kernel_metadata import KernelMetadata

METADATA = KernelMetadata(language="python", kernel_type="notebook", is_private=True, enable_internet=True)
CREDENTIALS = KaggleCredentials(username=OWNER, key=KEY)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture
def kaggle(emulator: Emulator) -> Iterator[KaggleHost]:
    yield host_at(emulator.url)
    httpx.delete(f"{emulator.url}/control/faults").raise_for_status()


def host_at(url: str, credentials: KaggleCredentials = CREDENTIALS, timeout_seconds: float = 10) -> KaggleHost:
    return KaggleHost(
        name="emulator",
        credentials=credentials,
        owner=None,
        metadata=METADATA,
        timeout_seconds=timeout_seconds,
        url=url,
    )


def make_push(*cells: str, gpu: bool = False) -> Push:
    shape = "NvidiaTeslaT4" if gpu else None
    source = notebook(*(cells or ("pass",)))
    return Push(slug=f"kavox-{new_id()}", notebook=source, gpu=gpu, machine_shape=shape, timeout_seconds=600)


def fault(emulator: Emulator, **values: object) -> None:
    httpx.post(f"{emulator.url}/control/faults", json=[values]).raise_for_status()


def ended(host: KaggleHost, kernel: Kernel) -> KernelState:
    def state() -> KernelState | None:
        found = host.status(kernel).state
        return found if found.ended else None

    return wait_for(state)


def test_a_pushed_notebook_runs_and_gives_what_it_wrote(kaggle: KaggleHost, tmp_path: Path) -> None:
    """From the push to the file: private, found by its slug, its log and exactly the named outputs fetched."""
    push = make_push("open('a.txt', 'w').write('spoken'); open('b.txt', 'w').write('not asked for'); print('done')")
    kernel = kaggle.push(push)
    assert kernel.version == 1
    found = kaggle.find(push.slug)
    assert found is not None
    assert found.private
    assert ended(kaggle, kernel) is KernelState.COMPLETE
    assert kaggle.download(kernel, {"a.txt", "missing.txt"}, tmp_path) == {"a.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "spoken"
    assert any("done" in record.text for record in kaggle.log(kernel))
    kaggle.delete(push.slug)
    assert kaggle.find(push.slug) is None
    kaggle.delete(push.slug)
    with pytest.raises(HostUnreachable):
        kaggle.download(kernel, {"a.txt"}, tmp_path)


def test_the_log_can_be_followed_while_the_notebook_runs(kaggle: KaggleHost) -> None:
    """Records come as they are written, characters of several bytes included."""
    kernel = kaggle.push(make_push("print('\u0445\u2585 first')\nimport time\ntime.sleep(0.5)\nprint('second')"))
    wait_for(lambda: kaggle.status(kernel).state is not KernelState.QUEUED)
    text = "".join(record.text for record in kaggle.stream_log(kernel))
    assert "\u0445\u2585 first" in text
    assert "second" in text


def test_a_failed_notebook_is_an_error_with_its_cause_in_the_log(kaggle: KaggleHost) -> None:
    """Kaggle's state is ERROR, and the log holds the exception."""
    kernel = kaggle.push(make_push("raise RuntimeError('no voice')"))
    assert ended(kaggle, kernel) is KernelState.ERROR
    assert any("no voice" in record.text for record in kaggle.log(kernel))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refuse_gpu_sessions", SessionsTaken),
        ("refuse_gpu_quota", QuotaExhausted),
        ("lost_response", PushUncertain),
        ("http_503_html", PushUncertain),
        ("http_500_json", PushUncertain),
        ("http_429", HostUnreachable),
        ("http_429_legacy", HostUnreachable),
    ],
)
def test_a_push_that_goes_wrong_says_whether_it_was_accepted(
    emulator: Emulator, kaggle: KaggleHost, kind: str, error: type[Exception]
) -> None:
    """Refusals come with HTTP 200 and an `error`, and whatever is not certain is uncertain."""
    fault(emulator, call="SaveKernel", kind=kind)
    with pytest.raises(error):
        kaggle.push(make_push(gpu=True))


@pytest.mark.usefixtures("kaggle")
def test_a_push_that_takes_too_long_is_uncertain(emulator: Emulator) -> None:
    """The client has a time-out of its own, which Kaggle's has not."""
    fault(emulator, call="SaveKernel", kind="timeout_before", seconds=5)
    with pytest.raises(PushUncertain):
        host_at(emulator.url, timeout_seconds=0.3).push(make_push())


def test_a_source_that_is_too_large_is_refused_for_good(kaggle: KaggleHost) -> None:
    """Kaggle takes less than a megabyte."""
    with pytest.raises(PushRefused, match="1 megabytes"):
        kaggle.push(make_push("#" * 1_000_000))


def test_nothing_is_pushed_where_nobody_listens() -> None:
    """A push that never left is no doubtful one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = host_at(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(HostUnreachable):
            host.push(make_push())
        with pytest.raises(HostUnreachable):
            host.find("kavox-something")


@pytest.mark.parametrize("kind", ["http_503_html", "http_429", "http_500_json", "lost_response"])
def test_an_unreadable_status_is_never_an_end(emulator: Emulator, kaggle: KaggleHost, kind: str) -> None:
    """Error pages, limits and cut connections say nothing about the kernel."""
    kernel = kaggle.push(make_push())
    fault(emulator, call="GetKernelSessionStatus", kind=kind)
    assert kaggle.status(kernel).state is KernelState.UNREADABLE
    assert ended(kaggle, kernel) is KernelState.COMPLETE


def test_a_signed_address_that_has_expired_is_asked_for_again(
    emulator: Emulator, kaggle: KaggleHost, tmp_path: Path
) -> None:
    """The storage's refusal is not saved as the file."""
    kernel = kaggle.push(make_push("open('a.txt', 'w').write('spoken')"))
    ended(kaggle, kernel)
    fault(emulator, call="Download", kind="expired_url")
    assert kaggle.download(kernel, {"a.txt"}, tmp_path) == {"a.txt"}
    assert (tmp_path / "a.txt").read_text() == "spoken"


def test_wrong_credentials_are_told_apart(emulator: Emulator) -> None:
    """A key or a token that Kaggle does not accept is neither a network error nor a refused notebook."""
    with pytest.raises(CredentialsRejected):
        host_at(emulator.url, KaggleCredentials(username=OWNER, key="wrong")).push(make_push())
    with pytest.raises(CredentialsRejected):
        host_at(emulator.url, KaggleCredentials(token="KGAT_" + new_id())).push(make_push())


def test_the_account_of_a_token_is_asked_for(emulator: Emulator) -> None:
    """With a token the owner is whom Kaggle says it belongs to."""
    push = make_push()
    kernel = host_at(emulator.url, KaggleCredentials(token=KEY)).push(push)
    assert kernel.ref == f"{OWNER}/{push.slug}"


def test_credentials_lying_about_are_not_sent_to_a_stand_in(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle's client would prefer a token from the environment to the account that it was given."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_somebody_elses")
    push = make_push()
    assert host_at(emulator.url).push(push).ref == f"{OWNER}/{push.slug}"
