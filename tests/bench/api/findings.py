"""What was found, and the goals that it is held against."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """One figure and its bound: the least that it must be, or with `at_most` the most."""

    what: str
    figure: float
    bound: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.figure <= self.bound if self.at_most else self.figure >= self.bound

    def __str__(self) -> str:
        return f"{self.what}: {self.figure:.4g}, wanted {'at most' if self.at_most else 'at least'} {self.bound:g}"


@dataclass
class Findings:
    """Lines for people, and goals."""

    lines: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def add(self, lines: Iterable[str], *goals: Goal) -> None:
        """Puts what one measurement has found to the rest."""
        self.lines += lines
        self.goals += goals

    def judged(self) -> Iterator[tuple[str, bool]]:
        """Each goal in words, and whether it is met."""
        return ((str(goal), goal.met) for goal in self.goals)
