"""What Kavox believes of Kaggle and could not see: each fact is ticked, or contradicted, by a live run.

`docs/kaggle-facts.md` lists the same facts for people; a test holds the two together.
"""

from dataclasses import dataclass, field

FACTS = {
    "push-accepted": "An accepted push answers with version 1 and no error.",
    "title-slug": "A kernel is filed under its title's slug, which is the one asked for.",
    "private": "GetKernel says of a kernel pushed as private that it is.",
    "visible": "A pushed kernel can be read within 120 s; until then the answer is 403.",
    "version-label": "Status, log and outputs take the label v1.",
    "log-stream": "The log stream shows the notebook's progress lines while it runs.",
    "outputs": "Output files are fetched from signed addresses, without credentials.",
    "installs": "A kernel with internet installs packages with pip.",
    "deleted": "DeleteKernel removes the kernel: GetKernel and ListKernels deny it afterwards.",
    "cpu-road": "A text comes back as speech from a CPU kernel, without GPU quota.",
    "gpu-road": "A text comes back as speech from a T4 kernel (NvidiaTeslaT4).",
}


@dataclass
class Findings:
    """What a live run saw of each fact: True, False, or nothing; with a remark."""

    seen: dict[str, tuple[bool, str]] = field(default_factory=dict)

    def note(self, fact: str, holds: bool, remark: str = "") -> None:
        """Writes down what was seen of a fact; the remark must hold no credential and no text."""
        assert fact in FACTS, fact
        self.seen[fact] = (holds, remark)

    def table(self) -> str:
        """The facts as a table in Markdown."""
        marks = {True: "confirmed", False: "CONTRADICTED"}
        rows = [
            f"| {fact} | {claim} | {marks[self.seen[fact][0]] if fact in self.seen else 'not seen'} "
            f"| {self.seen.get(fact, (None, ''))[1]} |"
            for fact, claim in FACTS.items()
        ]
        return "\n".join(["| fact | claim | live | remark |", "|---|---|---|---|", *rows]) + "\n"
