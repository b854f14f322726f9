"""Batches with an idempotency key: there once, also when sent twice or after a crash in the middle.

Beside the run's data, in its private directory, lie

- `intent-<digest>`, while a batch is being written: the batch, and the size that each file of
  points had before. Who sends the key again writes only what doesn't stand behind those sizes.
- `applied`, the digests of all keys whose batches are written, a line each.

Everything happens within the run's lock; batches without a key know nothing of this.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from tracking_core.entities import Metric
from tracking_core.stores import Batch
from tracking_core_file.appending import Appender
from tracking_core_file.files import read
from tracking_core_file.keys import key_path, overflow_path
from tracking_core_file.layout import METRICS, PRIVATE
from tracking_core_file.metric_lines import format_point
from tracking_core_file.root import Root

APPLIED = "applied"
INTENT_PREFIX = "intent-"
_MOST_KNOWN = 64


class Intent(msgspec.Struct, frozen=True):
    """A batch that is being written.

    Attributes:
        batch: What is, or is still, to be written.
        sizes: For each metric, the sizes of its files before; None: nothing was written since.
    """

    batch: Batch
    sizes: dict[str, list[int]] | None


class BatchJournal:
    """Writes batches with keys, each once; the caller holds the lock of the run's directory."""

    def __init__(self, root: Root, appender: Appender) -> None:
        self._root = root
        self._appender = appender
        self._applied: OrderedDict[str, tuple[int, int, set[bytes]]] = OrderedDict()

    def log(
        self,
        directory: str,
        batch: Batch,
        check: Callable[[str, Any], object],
        apply: Callable[[str, Batch], None],
    ) -> None:
        """Write a batch unless its key says that it is there.

        Args:
            directory: The run's.
            batch: With a key.
            check: Raises for params that contradict stored ones.
            apply: Writes a batch; params and tags of it may be there.
        """
        private = os.path.join(directory, PRIVATE)
        digest = hashlib.sha256((batch.idempotency_key or "").encode()).hexdigest()[:32]
        intent_path = os.path.join(private, INTENT_PREFIX + digest)
        self._settle_others(directory, private, intent_path)
        if digest.encode() in self._applied_digests(private):
            self._root.files.remove(intent_path)
            return
        known = _read_intent(intent_path)
        if known is not None:
            batch = replace(batch, metrics=_missing(directory, known))
        else:
            check(directory, batch.params)
            self._root.files.make_directory(private)
        if known is None or known.sizes is None:
            self._write_intent(intent_path, Intent(batch, _sizes(directory, batch.metrics)))
        apply(directory, batch)
        applied = os.path.join(private, APPLIED)
        self._appender.append_within_lock(applied, f"{digest}\n".encode(), directory=directory)
        self._root.files.remove(intent_path)

    def _settle_others(self, directory: str, private: str, own: str) -> None:
        """Note what is missing of batches that were left half-written, before points follow."""
        try:
            names = os.listdir(private)
        except FileNotFoundError:
            return
        for name in names:
            path = os.path.join(private, name)
            if name.startswith(INTENT_PREFIX) and path != own:
                intent = _read_intent(path)
                if intent is not None and intent.sizes is not None:
                    missing = replace(intent.batch, metrics=_missing(directory, intent))
                    self._write_intent(path, Intent(missing, None))

    def _write_intent(self, path: str, intent: Intent) -> None:
        self._root.files.write(path, msgspec.msgpack.encode(intent))

    def _applied_digests(self, private: str) -> set[bytes]:
        path = os.path.join(private, APPLIED)
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return set()
        inode, size, known = self._applied.pop(private, (0, 0, set()))
        if inode != status.st_ino or size > status.st_size:
            size, known = 0, set()
        if size < status.st_size:
            with open(path, "rb") as file:
                file.seek(size)
                content = file.read()
            known.update(content.split(b"\n"))
            # A line that is torn is read again when it has been ended.
            size += content.rfind(b"\n") + 1
        self._applied[private] = (status.st_ino, size, known)
        if len(self._applied) > _MOST_KNOWN:
            self._applied.popitem(last=False)
        return known


def _read_intent(path: str) -> Intent | None:
    with suppress(FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
        return msgspec.msgpack.decode(read(path), type=Intent)
    return None


def _metric_paths(directory: str, key: str) -> tuple[str, str]:
    return key_path(directory, METRICS, key), overflow_path(directory, METRICS, key)


def _sizes(directory: str, points: Iterable[Metric]) -> dict[str, list[int]]:
    return {
        key: [
            os.path.getsize(path) if os.path.isfile(path) else 0
            for path in _metric_paths(directory, key)
        ]
        for key in dict.fromkeys(point.key for point in points)
    }


def _missing(directory: str, intent: Intent) -> tuple[Metric, ...]:
    """Return the points of a batch that don't stand behind the sizes that were noted."""
    if intent.sizes is None:
        return intent.batch.metrics
    there: Counter[tuple[str, bytes]] = Counter()
    for key, sizes in intent.sizes.items():
        for path, size in zip(_metric_paths(directory, key), sizes, strict=True):
            with suppress(OSError):
                there.update((key, line) for line in read(path)[size:].split(b"\n"))
    missing = []
    for point in intent.batch.metrics:
        line = (point.key, format_point(point)[:-1])
        if there[line] > 0:
            there[line] -= 1
        else:
            missing.append(point)
    return tuple(missing)
