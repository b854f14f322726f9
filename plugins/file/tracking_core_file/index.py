"""Runs kept in memory and in an index file, each checked against its files before it is believed.

The index is a cache: a sqlite file in the user's cache directory, one for each root. It may be
deleted at any time; missing, broken, locked or foreign, it is gone without.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from tracking_core.config import user_cache_directory
from tracking_core.entities import Run, RunInfo
from tracking_core.errors import TrackingError
from tracking_core.stores import RunQuery
from tracking_core_file.checking import Check
from tracking_core_file.facet import ExperimentRecord
from tracking_core_file.forks import reset_in_children
from tracking_core_file.layout import (
    ARTIFACTS,
)
from tracking_core_file.relocation import CUSTOM_LOCATION, current_location
from tracking_core_file.root import Root
from tracking_core_file.run_files import RunEntry, RunReader
from tracking_core_file.stamps import UNTRUSTED, Stamper, stamp

if TYPE_CHECKING:
    import sqlite3

logger = logging.getLogger("tracking_core_file")

_VERSION = 2
_SCHEMA = (
    # Most runs of an experiment have the same keys: their lists of paths are kept once.
    "CREATE TABLE shapes (shape INTEGER PRIMARY KEY, paths BLOB NOT NULL UNIQUE)",
    """
    CREATE TABLE runs (
        place TEXT NOT NULL,
        run_id TEXT NOT NULL,
        shape INTEGER NOT NULL,
        stamps BLOB NOT NULL,
        run BLOB NOT NULL,
        PRIMARY KEY (place, run_id)
    )
    """,
)


class RunIndex:
    """The runs of a root, as far as they were read, and whether they are still so."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._guard = threading.RLock()
        self._runs: dict[str, dict[str, RunEntry]] = {}
        self._listings: dict[str, tuple[int, list[str]]] = {}
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        """Let the child wait for nobody."""
        self._guard = threading.RLock()

    @property
    def is_used(self) -> bool:
        """Whether the settings ask for an index file."""
        return self._root.settings.file_index

    @property
    def path(self) -> str:
        """Where the index file of this root lies, or would."""
        cache = self._root.settings.cache_directory or str(user_cache_directory())
        name = hashlib.sha256(os.fsencode(os.path.realpath(self._root.path))).hexdigest()[:32]
        return os.path.join(cache, "file-index", f"{name}.sqlite")

    def run(self, record: ExperimentRecord, run_id: str) -> RunEntry | None:
        """Return a run as it is now, or None if it isn't there.

        Raises:
            CorruptDataError: Its meta.yaml can't be read.
        """
        directory = os.path.join(record.directory, run_id)
        # Not within the guard: who asks for one run must not wait for a search of thousands.
        runs = self._runs.setdefault(_place(record), {})
        known = runs.get(run_id)
        if known is not None and Check(None)(known, directory):
            return known
        entry = self._read(record, run_id)
        if entry is None:
            runs.pop(run_id, None)
        else:
            runs[run_id] = entry
        return entry

    def runs(self, record: ExperimentRecord, query: RunQuery | None) -> Iterable[RunEntry]:
        """Return the runs of an experiment that may match, as far as they were looked at for that.

        The rest of each may be old: `refresh` what is returned. With None these are all, and new.
        """
        place = _place(record)
        with self._guard:
            known = self._runs.get(place)
            if known is None or place not in self._listings:
                known = {**self._load(place), **(known or {})}
            self._runs[place] = known
            check = Check(query)
            found: list[RunEntry] = []
            changed: dict[str, RunEntry] = {}
            run_ids = self._run_ids(record)
            gone = known.keys() - run_ids if len(known) > len(run_ids) else set()
            for run_id in run_ids:
                entry = known.get(run_id)
                verdict = None if entry is None else check(entry, f"{record.directory}/{run_id}")
                if verdict is None:
                    fresh = self._read_or_warn(record, run_id)
                    if fresh is None:
                        gone.add(run_id)
                    else:
                        found.append(fresh)
                        known[run_id] = changed[run_id] = fresh
                elif verdict and entry is not None:
                    found.append(entry)
            gone &= known.keys()
            for run_id in gone:
                known.pop(run_id, None)
            if changed or gone:
                self._save(place, changed, gone)
            return found

    def refresh(self, record: ExperimentRecord, run_ids: Iterable[str], query: RunQuery) -> bool:
        """Bring runs that `runs` just returned for a query up to date in the parts that it left.

        Returns whether one wasn't.
        """
        place = _place(record)
        changed: dict[str, RunEntry] = {}
        gone = set()
        with self._guard:
            known = self._runs.get(place, {})
            check = Check(query)
            for run_id in run_ids:
                entry = known.get(run_id)
                if entry is None or check.rest(entry, f"{record.directory}/{run_id}"):
                    continue
                fresh = self._read_or_warn(record, run_id)
                if fresh is None:
                    known.pop(run_id, None)
                    gone.add(run_id)
                else:
                    known[run_id] = fresh
                    if fresh.run != entry.run:
                        changed[run_id] = fresh
            if changed or gone:
                self._save(place, changed, gone)
        return bool(changed or gone)

    def forget(self, record: ExperimentRecord) -> None:
        """Drop all runs of an experiment that is about to go."""
        place = _place(record)
        with self._guard:
            gone = self._runs.pop(place, {}).keys() | self._load(place).keys()
            self._listings.pop(place, None)
            self._save(place, {}, gone)

    def located(self, info: RunInfo, record: ExperimentRecord) -> RunInfo:
        """Return a header with the artifact URI as it is now, if the directory was moved."""
        uri = info.artifact_uri
        recorded = str(record.meta.get("artifact_location") or "")
        current = record.experiment.artifact_location
        if recorded and uri.startswith(f"{recorded}/"):
            new = current + uri[len(recorded) :]
        elif not uri:
            new = f"{current}/{info.run_id}/{ARTIFACTS}"
        elif record.meta.get(CUSTOM_LOCATION):
            return info
        else:
            suffix = (info.experiment_id, info.run_id, ARTIFACTS)
            new = current_location(uri, suffix=suffix, root=self._root.path)
        return info if new == uri else replace(info, artifact_uri=new)

    def _run_ids(self, record: ExperimentRecord) -> list[str]:
        place = _place(record)
        try:
            before = Stamper(self._root.tick)(os.stat(record.directory))
        except OSError:
            return []
        known = self._listings.get(place)
        if known is not None and known[0] == stamp(record.directory):
            return known[1]
        run_ids = self._root.layout.run_ids(record.directory)
        self._listings[place] = (before, run_ids)
        return run_ids

    # --- reading ---

    def _read_or_warn(self, record: ExperimentRecord, run_id: str) -> RunEntry | None:
        try:
            return self._read(record, run_id)
        except TrackingError as error:
            self._root.warn(f"The run {run_id} is passed over: {error}")
        except OSError as error:
            self._root.warn(f"The run {run_id} is passed over: {error.strerror}.")
        return None

    def _read(self, record: ExperimentRecord, run_id: str) -> RunEntry | None:
        reader = RunReader(f"{record.directory}/{run_id}", tick=self._root.tick)
        try:
            entry = reader.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        for problem in reader.problems:
            self._root.warn(f"A part of the run {run_id} is passed over: {problem}")
        info = self.located(entry.run.info, record)
        run = entry.run if info is entry.run.info else replace(entry.run, info=info)
        return RunEntry(run, self._shape(entry.paths), entry.stamps)

    def _shape(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        # One list of paths serves all runs that have the same keys.
        return self._shapes.setdefault(paths, paths)

    # --- the index file ---

    def _load(self, place: str) -> dict[str, RunEntry]:
        entries: dict[str, RunEntry] = {}
        with self._index_file(create=False) as connection:
            if connection is None:
                return entries
            shapes = {}
            for shape, paths in connection.execute("SELECT shape, paths FROM shapes"):
                with suppress(msgspec.DecodeError, msgspec.ValidationError):
                    shapes[shape] = self._shape(_decode_paths(paths))
            found = connection.execute(
                "SELECT run_id, shape, stamps, run FROM runs WHERE place = ?", (place,)
            )
            for run_id, shape, stamps, run in found.fetchall():
                try:
                    entry = RunEntry(_decode_run(run), shapes[shape], _decode_stamps(stamps))
                except (KeyError, TypeError, msgspec.DecodeError, msgspec.ValidationError):
                    continue
                if len(entry.paths) == len(entry.stamps):
                    entries[run_id] = entry
        return entries

    def _save(self, place: str, entries: dict[str, RunEntry], gone: Iterable[str]) -> None:
        trusted = {i: entry for i, entry in entries.items() if UNTRUSTED not in entry.stamps}
        lost = [(place, run_id) for run_id in gone]
        if not trusted and not lost:
            return
        with self._index_file(create=True) as connection:
            if connection is None:
                return
            shapes = {}
            for paths in {id(entry.paths): entry.paths for entry in trusted.values()}.values():
                content = (_encode(paths),)
                connection.execute("INSERT OR IGNORE INTO shapes (paths) VALUES (?)", content)
                found = connection.execute("SELECT shape FROM shapes WHERE paths = ?", content)
                shapes[id(paths)] = found.fetchone()[0]
            rows = (
                (place, run_id, shapes[id(e.paths)], _encode(e.stamps), _encode(e.run))
                for run_id, e in trusted.items()
            )
            connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM runs WHERE place = ? AND run_id = ?", lost)
            connection.commit()

    @contextmanager
    def _index_file(self, *, create: bool) -> Iterator[sqlite3.Connection | None]:
        """Open the index file, None if that can't be; what then fails inside is forgiven too."""
        if not self.is_used:
            yield None
            return
        try:
            import sqlite3  # deferred: logging needs no index
        except ImportError:
            yield None
            return
        path = self.path
        try:
            connection = _connect(path, create=create)
        except (sqlite3.Error, OSError) as error:
            logger.debug("The index %s is not used: %s", path, error)
            connection = None
        if connection is None:
            yield None
            return
        with closing(connection):
            try:
                yield connection
            except sqlite3.OperationalError as error:
                logger.debug("The index %s is not used: %s", path, error)
            except sqlite3.DatabaseError as error:
                logger.debug("The index %s is broken and made anew: %s", path, error)
                _remove(path)


def _connect(path: str, *, create: bool) -> sqlite3.Connection | None:
    import sqlite3  # deferred: logging needs no index

    if not os.path.exists(path):
        if not create:
            return None
        os.makedirs(os.path.dirname(path), exist_ok=True)
    for attempt in range(2):
        # It can be thrown away, so that nothing waits for the disk, and for others hardly.
        connection = sqlite3.connect(path, timeout=0.2)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
                return connection
            for table in ("runs", "shapes"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.commit()
            return connection
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            connection.close()
            if attempt:
                raise
            _remove(path)
    return None


def _remove(path: str) -> None:
    for name in (path, f"{path}-journal"):
        try:
            os.unlink(name)
        except OSError as error:
            logger.debug("The index %s can't be removed: %s", name, error)


_encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
_decode_run = msgspec.msgpack.Decoder(Run).decode
_decode_paths = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_decode_stamps = msgspec.msgpack.Decoder(tuple[int, ...]).decode


def _place(record: ExperimentRecord) -> str:
    """Name what the entries of an experiment depend on beside the runs' files."""
    recorded = record.meta.get("artifact_location")
    current = record.experiment.artifact_location
    moved = "" if recorded == current else f" {recorded} -> {current}"
    return f"{record.experiment.experiment_id}{moved}"
