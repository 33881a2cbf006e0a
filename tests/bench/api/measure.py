"""The second table, one measurement after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.api import crowd, footprint, growth, races
from tests.bench.api.findings import Findings
from tests.bench.api.stage import api, load, valkey


@dataclass(frozen=True)
class Size:
    """How much of everything; as given, the table takes about three minutes."""

    rounds: int = 30
    seconds: float = 0.4
    few: int = growth.FEW
    many: int = growth.MANY
    clients: int = crowd.CLIENTS
    waves: int = 5


def measure(folder: Path, size: Size | None = None) -> Findings:
    """Every comparison of the API's, on fresh servers below `folder`."""
    size, findings = size or Size(), Findings()
    folder.mkdir(parents=True)
    file = folder / "file.wav"
    file.write_bytes(bytes(races.AUDIO_BYTES))
    with valkey(folder / "valkey") as server, load() as clients:
        with api(folder / "races", f"{server}/0", file) as one:
            races.race(one, clients, f"{server}/0", size.rounds, size.seconds, findings)
        with api(folder / "crowd", f"{server}/1", file) as one:
            crowd.gather(one, clients, f"{server}/1", size.clients, size.waves, findings)
        urls: Mapping[int, str] = {size.few: f"{server}/2", size.many: f"{server}/3"}
        with api(folder / "few", urls[size.few], file) as few, api(folder / "many", urls[size.many], file) as many:
            both = {size.few: few, size.many: many}
            growth.grow(both, urls, clients, size.rounds, size.seconds, findings)
    footprint.weigh(folder / "footprint", findings)
    return findings
