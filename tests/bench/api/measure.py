"""The second table, one measurement after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.api import crowd, footprint, growth, races
from tests.bench.api.findings import Findings
from tests.bench.api.stage import TEXTBOOK, api, load, valkey


@dataclass(frozen=True)
class Size:
    """How much of everything; as given, the table takes about five minutes, ten on a busy machine."""

    rounds: int = 60
    seconds: float = 0.3
    few: int = growth.FEW
    many: int = growth.MANY
    clients: int = crowd.CLIENTS
    waves: int = 5
    patience: float = 16.0


def measure(folder: Path, size: Size | None = None) -> Findings:
    """Every comparison of the API's, on fresh servers below `folder`."""
    size, findings = size or Size(), Findings()
    folder.mkdir(parents=True)
    file = folder / "file.wav"
    file.write_bytes(bytes(races.AUDIO_BYTES))
    with valkey(folder / "valkey") as server, load() as clients:
        racing = f"{server}/0"
        with api(folder / "races", racing) as one, api(folder / "textbook", racing, TEXTBOOK, file) as textbook:
            races.race(one, textbook, clients, racing, size.rounds, size.seconds, findings)
        with api(folder / "crowd", f"{server}/1") as one:
            crowd.gather(one, clients, f"{server}/1", size.clients, size.waves, size.patience, findings)
        urls: Mapping[int, str] = {size.few: f"{server}/2", size.many: f"{server}/3"}
        with api(folder / "few", urls[size.few]) as few, api(folder / "many", urls[size.many]) as many:
            both = {size.few: few, size.many: many}
            growth.grow(both, urls, clients, size.rounds, size.seconds, findings)
    footprint.weigh(folder / "footprint", findings)
    return findings
