"""What promotion decided, for a person to read in a terminal."""

from dataclasses import dataclass

from digitsum.judging.gate import Check, Verdict


@dataclass(frozen=True)
class Decision:
    """`promoted` tells whether the model became champion; in a dry run, whether it would."""

    verdict: Verdict
    headline: str  # what came of it, and both accuracies
    sentence: str  # the model, and what it becomes
    promoted: bool

    @property
    def text(self) -> str:
        """All reasons in a paragraph."""
        return f"{self.sentence} {self.verdict}" if self.verdict.checks else self.sentence

    @property
    def outcome(self) -> str:
        """What the model becomes, and how many strips it reads in another way than the champion."""
        if (both := self.verdict.comparison) is None:
            return self.sentence
        return (
            f"{self.sentence} On the same {both.n:,} test strips, {both.fixed:,} are fixed and {both.broken:,} broken."
        )

    def __str__(self) -> str:
        parts = [f"{self.headline}\n{self.outcome}"]
        if self.verdict.checks:
            parts.append(table(self.verdict.checks))
        if broken := self.verdict.broken_slices:
            parts.append("\n".join(["The champion is significantly better on", *(f"  {name}" for name in broken)]))
        return "\n\n".join(parts)


def headline(verdict: Verdict, accuracy: float | None, floors_only: str, dry_run: bool) -> str:
    """
    Args:
        accuracy: of the model, where it is known.
        floors_only: the reason why there is no comparison with a champion.
    """
    outcome = "Not promoted" if not verdict.passes else "Passes the gate" if dry_run else "Promoted"
    if (both := verdict.comparison) is not None:
        return f"{outcome}: {both.after:.2%} against the champion's {both.before:.2%}"
    return f"{outcome}: {'' if accuracy is None else f'{accuracy:.2%} of the test sums right, '}{floors_only}"


def table(checks: tuple[Check, ...]) -> str:
    """Checks with values and limits in columns; failed ones first, as they decide."""
    rows = [("check", "value", "limit", "holds")]
    ordered = sorted(checks, key=lambda check: check.holds)
    rows += [(check.name, check.value, check.bound, "yes" if check.holds else "NO") for check in ordered]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
