"""The Kaggle adapter on a Kaggle that behaves, notebooks executed; how it misbehaves is in tests/traps."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.shared.errors import CredentialsRejected, HostUnreachable
from app.shared.identifiers import new_id
from app.shared.kaggle_credentials import KaggleCredentials
from tests.hosts import ended, host_at, make_push
from tests.workers.emulator.driver import KEY, OWNER, Emulator
from workers.kaggle import KaggleHost
from workers.kernel import KernelState


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator")).start()
    yield started
    started.stop()


@pytest.fixture
def kaggle(emulator: Emulator) -> KaggleHost:
    return host_at(emulator.url)


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


def test_nothing_is_pushed_where_nobody_listens() -> None:
    """A push that never left is no doubtful one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = host_at(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(HostUnreachable):
            host.push(make_push())
        with pytest.raises(HostUnreachable):
            host.find("kavox-something")


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
