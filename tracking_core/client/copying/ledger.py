"""What the threads of a copy write down together: counts, problems, how far they are."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from tracking_core.client.copying.report import CopyProgress, CopyState


class StoppedError(Exception):
    """Another part of the copy failed, or it was interrupted."""


class Ledger:
    """Counts, problems and progress of one copy; any thread may write."""

    def __init__(self, progress: CopyProgress | None) -> None:
        self.written: Counter[str] = Counter()
        self.passed_over: set[str] = set()
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.as_copied: dict[str, bytes] = {}
        """A digest of each run as it was read when it was copied, by id."""
        self._progress = progress
        self._lock = threading.Lock()
        self._stopped = False
        self._state = CopyState(doing="", runs_done=0, runs_total=0, points=0)

    def begin(self, doing: str, runs_total: int) -> None:
        """Begin another part of the work."""
        self._tell(CopyState(doing=doing, runs_done=0, runs_total=runs_total, points=0))

    @property
    def is_watched(self) -> bool:
        """Whether anyone is told how far it is."""
        return self._progress is not None

    def stop(self) -> None:
        """Let work that goes on end with its next step."""
        self._stopped = True

    def wrote(self, kind: str, count: int = 1) -> None:
        """Count what was written."""
        if count:
            with self._lock:
                self.written[kind] += count

    def advance(self, *, runs: int = 0, points: int = 0) -> None:
        """Tell how far it is.

        Raises:
            StoppedError: It shall not go on.
        """
        if self._stopped:
            raise StoppedError
        with self._lock:
            old = self._state
            self._state = CopyState(
                doing=old.doing,
                runs_done=old.runs_done + runs,
                runs_total=max(old.runs_total, old.runs_done + runs),
                points=old.points + points,
            )
            if self._progress is not None:
                self._progress(self._state)

    def problem(self, sentence: str) -> None:
        """Note what could not be copied."""
        with self._lock:
            self.problems.append(sentence)

    def note(self, sentence: str) -> None:
        """Note what is worth knowing and no problem."""
        with self._lock:
            self.notes.append(sentence)

    def conflict(self, entity: str, conflicts: Iterable[str]) -> None:
        """Note that an entity of the destination is another than the source's."""
        self.problem(
            f"The {entity} is in the destination already and differs from the source's, so it was"
            f" left as it is: {'; '.join(conflicts)}."
        )

    def _tell(self, state: CopyState) -> None:
        with self._lock:
            self._state = state
            if self._progress is not None:
                self._progress(state)
