"""What a round of chaos will do, all of it from one seed: who submits what and when, and what is killed when.

Which calls the emulator spoils is its own dice, and how long everything takes is the machine's: a seed repeats the
script, not the play.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.teletype import REFUSED

CALLERS = ("reader", "game", "radio", "museum")
WORDS = """
again air all "almost" any bell (blue) book bread by cat clean; cold coming day's deep {down} each early eight every
fast field five; fly for {{four}} from glad good grow hand he her \\n hold house ice in iron just key large late leaf
light line long made many mile moon more near never new nine no noise north off old on one open our out over own page
pen plain rain read red ring river road round sea seven she ship show six sleep slow small some song south stone sun
ten that the then three town tree two under until very walk warm was water we west what when where while white who
wide wind with wood word yes you young über
"""

API, WORKER = "app.main:create_app", "workers.main"
VICTIMS = (API, "workers.emulator", "valkey-server", WORKER, WORKER, WORKER)
"""What is killed, by a word of its command line: each worker as often as each other process."""

FAULTS = ("lost_response", "timeout_before", "http_503_html", "http_429", "http_500_json")
FAULT_SHARE = 0.05
PUSH_FAULTS = {"lost_response": 0.15, "timeout_before": 0.1, "http_500_json": 0.05}
"""On top of that for pushes alone: there are few of them, and they are what may be paid twice."""
FAULT_SECONDS = 1.5
"""How long a call is held by `timeout_before`."""

HANG_UP_SHARE = 0.03
"""Callers, too, have lines that break: so many of the texts are submitted once more because no answer was heard."""
REPEAT_SHARE = 0.1
"""So many of the texts their caller has submitted before: they share a synthesis, or are answered with kept speech."""
KEYED = CALLERS[:2]
"""These send an Idempotency-Key with each text, so that not even a broken line makes two jobs of one."""
BURST = 12
"""How many texts a caller submits at a stretch, on average."""


@dataclass(frozen=True)
class Scale:
    """How large a round is; times in seconds."""

    texts: int
    submitting: float
    storm: float
    deadline: float
    between_kills: tuple[float, float]


FULL = Scale(texts=300, submitting=90, storm=240, deadline=360, between_kills=(1.5, 4.5))
SHORT = Scale(texts=40, submitting=8, storm=16, deadline=120, between_kills=(1.0, 2.5))


@dataclass(frozen=True)
class Line:
    """One text, how long its caller waits before submitting it, and whether it hangs up before the answer."""

    number: int
    text: str
    pause: float
    hangs_up: bool

    @property
    def refused(self) -> bool:
        """Whether the notebook is to refuse it."""
        return self.text.startswith(REFUSED)


class Script:
    """The plan of one round."""

    def __init__(self, seed: int, scale: Scale) -> None:
        self.seed = seed
        self.scale = scale
        dice = random.Random(seed)  # noqa: S311  # no secret
        # Callers hand in a chapter at once and then think for a while, so that runs of one job and of many come.
        mean_pause = BURST * scale.submitting * len(CALLERS) / scale.texts
        self.lines: dict[str, list[Line]] = {caller: [] for caller in CALLERS}
        for number in range(scale.texts):
            # One text in twenty is refused by the notebook, wherever it stands in a run.
            words = [*([REFUSED] if number % 20 == 7 else []), *dice.choices(WORDS.split(), k=dice.randint(3, 16))]
            lines = self.lines[CALLERS[number % len(CALLERS)]]
            text = f"{' '.join(words)} {number}."
            if lines and dice.random() < REPEAT_SHARE:
                text = dice.choice(lines[-BURST:]).text
            pause = dice.expovariate(1 / mean_pause) if dice.random() < 1 / BURST else 0.0
            lines.append(Line(number, text, pause, hangs_up=dice.random() < HANG_UP_SHARE))
        self._kills = dice.getrandbits(64)

    @property
    def texts(self) -> Sequence[Line]:
        """Every text, by its number."""
        return sorted((line for lines in self.lines.values() for line in lines), key=lambda line: line.number)

    def kills(self) -> Iterator[tuple[float, str, int]]:
        """For ever: seconds to wait, whom to kill, and a number to choose among several of the kind."""
        dice = random.Random(self._kills)  # noqa: S311  # no secret
        while True:
            for victim in dice.sample(VICTIMS, k=len(VICTIMS)):
                yield dice.uniform(*self.scale.between_kills), victim, dice.randrange(1000)

    def faults(self) -> list[dict[str, object]]:
        """What the emulator is told: together the kinds spoil five calls in a hundred, and more of the pushes."""
        each = 1 - (1 - FAULT_SHARE) ** (1 / len(FAULTS))
        faults: list[dict[str, object]] = [
            *({"call": "SaveKernel", "kind": kind, "probability": share} for kind, share in PUSH_FAULTS.items()),
            *({"call": "*", "kind": kind, "probability": each} for kind in FAULTS),
        ]
        return [fault | ({"seconds": FAULT_SECONDS} if fault["kind"] == "timeout_before" else {}) for fault in faults]
