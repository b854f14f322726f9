"""What a copy tells: what it wrote, what it could not, and the proof that both sides are equal."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing, counted on both sides.

    Attributes:
        kind: Such as `points`.
        source_count: How many there are.
        source_digest: A SHA-256 of all of them, whatever their order, in hexadecimal.
        destination_count: How many there are.
        destination_digest: Equal to the other one if what is there is equal.
    """

    kind: str
    source_count: int
    source_digest: str
    destination_count: int
    destination_digest: str

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same."""
        return (self.source_count, self.source_digest) == (
            self.destination_count,
            self.destination_digest,
        )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One entity that isn't the same on both sides; `str` gives a sentence.

    Attributes:
        entity: Such as `run 'abc'`.
        field: What of it differs; empty if one side lacks the entity.
        source: What the source has, shortened; empty if it lacks the entity.
        destination: Likewise.
        source_changed: Whether the source changed after this was copied.
    """

    entity: str
    field: str = ""
    source: str = ""
    destination: str = ""
    source_changed: bool = False

    def __str__(self) -> str:
        if self.field:
            text = (
                f"The {self.entity} differs in {self.field}: {self.source} in the source,"
                f" {self.destination} in the destination"
            )
        elif self.source:
            text = f"The {self.entity} is missing in the destination"
        else:
            text = f"The {self.entity} is in the destination alone"
        return f"{text}; the source changed meanwhile." if self.source_changed else f"{text}."


class CopyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy did, and how both sides compare after it.

    Attributes:
        source: Its URI, without secrets.
        destination: Likewise.
        dry_run: Whether nothing was written; `written` is then what would be.
        written: How many of each kind were written.
        passed_over: Runs that were there already, whole and equal.
        problems: What could not be copied, a sentence each.
        tallies: Each kind on both sides, as read again after writing; empty after a dry run.
        differences: The first entities that differ.
        differing: How many differ in all.
        not_carried: What no copy over the contract carries, and what isn't compared.
        notes: What else is worth knowing.
    """

    source: str
    destination: str
    dry_run: bool = False
    written: dict[str, int] = {}
    passed_over: int = 0
    problems: tuple[str, ...] = ()
    tallies: tuple[Tally, ...] = ()
    differences: tuple[Difference, ...] = ()
    differing: int = 0
    not_carried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out and, unless this was a dry run, both sides are equal."""
        return (
            not self.problems and not self.differing and all(each.is_equal for each in self.tallies)
        )


class CopyState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a copy is.

    Attributes:
        doing: `Copying` or `Comparing`.
        runs_done: Runs that are done with.
        runs_total: Runs in all; when comparing, those of both sides.
        points: Points written, or read when comparing.
    """

    doing: str
    runs_done: int
    runs_total: int
    points: int


class CopyProgress(Protocol):
    """Is told how far a copy is: from its threads, but never twice at the same time."""

    def __call__(self, state: CopyState, /) -> None:
        """Take note."""
