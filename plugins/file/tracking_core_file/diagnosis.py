"""What is wrong in a directory, and what to do about it: for `tracking doctor`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Literal

import msgspec

from tracking_core.errors import CorruptDataError
from tracking_core_file.batches import INTENT_PREFIX
from tracking_core_file.files import read, read_meta, read_text
from tracking_core_file.index import RunIndex
from tracking_core_file.keys import keys_in
from tracking_core_file.layout import (
    ARTIFACTS,
    LOCK_NAME,
    META,
    METRICS,
    MODELS,
    PARAMS,
    PRIVATE,
    PURGE_MARK,
    RESERVED_IN_EXPERIMENT,
    RESERVED_IN_ROOT,
    TAGS,
    TEMPORARY_PREFIX,
    subdirectories,
)
from tracking_core_file.locks import is_left_behind
from tracking_core_file.metric_lines import parse_points
from tracking_core_file.root import Root
from tracking_core_file.run_files import info_from_meta
from tracking_core_file.runs import FileRuns

_STALE_AFTER = 3600.0


class Finding(msgspec.Struct, frozen=True):
    """Something that somebody should know.

    Attributes:
        path: Where it is.
        what: What is there, as a sentence.
        advice: What to do, as a sentence; empty if nothing.
        severity: Whether it is a problem, or only good to know.
    """

    path: str
    what: str
    advice: str = ""
    severity: Literal["problem", "note"] = "problem"


def diagnose(store: FileRuns) -> list[Finding]:
    """Look at every file of a store's directory and return what was found, in order of the paths.

    Nothing is changed. What other processes are doing at the moment isn't reported.
    """
    return [*_of_root(store._root), *_of_index(store._index)]


def _of_root(root: Root) -> Iterator[Finding]:
    path = root.path
    if not os.path.lexists(path):
        yield Finding(path, "The directory isn't there yet.", "", "note")
        return
    if not os.path.isdir(path):
        yield Finding(path, "This is not a directory.", "Name another place for the runs.")
        return
    if not os.access(path, os.W_OK | os.X_OK):
        yield Finding(path, "The directory isn't writable.", "Check its owner and mode.", "note")
    if root.is_remote:
        what = "The directory lies on a file system of another machine: appends take a lock."
        yield Finding(path, what, "", "note")
    yield from _left_in(path)
    names: dict[str, str] = {}
    ids: dict[str, str] = {}
    for parent in (path, root.layout.trash):
        yield from _left_in(parent) if parent != path else ()
        for name in subdirectories(parent):
            if name in RESERVED_IN_ROOT and parent == path:
                continue
            directory = os.path.join(parent, name)
            yield from _of_experiment(directory, names, deleted=parent != path)
            if name in ids:
                what = f"The experiment {name} is there twice, also in {ids[name]!r}."
                yield Finding(directory, what, "Move one of them away.")
            ids.setdefault(name, directory)
    for name in subdirectories(root.layout.registry):
        yield from _of_registered_model(os.path.join(root.layout.registry, name))


def _of_experiment(directory: str, names: dict[str, str], *, deleted: bool) -> Iterator[Finding]:
    yield from _left_in(directory)
    meta, findings = _meta_of(directory, kind="experiment")
    yield from findings
    if meta is not None:
        yield from _id_findings(directory, meta.get("experiment_id"), "experiment_id")
        name = str(meta.get("name"))
        if name in names:
            what = f"The name {name!r} is also that of {names[name]!r}."
            yield Finding(directory, what, "Rename one of the two experiments.")
        names.setdefault(name, directory)
        stage = "deleted" if deleted else "active"
        if meta.get("lifecycle_stage", stage) != stage:
            recorded = meta["lifecycle_stage"]
            what = f"The meta.yaml says {recorded!r}, but it lies where {stage} ones do."
            yield Finding(directory, what, "Delete or restore the experiment once more.")
    yield from _of_texts(directory, TAGS)
    for name in subdirectories(directory):
        path = os.path.join(directory, name)
        if name == MODELS:
            for model in subdirectories(path):
                yield from _of_model(os.path.join(path, model))
        elif name not in RESERVED_IN_EXPERIMENT and _looks_like_run(path):
            yield from _of_run(path)


def _of_run(directory: str) -> Iterator[Finding]:
    yield from _left_in(directory)
    meta, findings = _meta_of(directory, kind="run")
    yield from findings
    if meta is not None:
        yield from _id_findings(directory, meta.get("run_id") or meta.get("run_uuid"), "run_id")
        experiment = os.path.basename(os.path.dirname(directory))
        yield from _id_findings(directory, meta.get("experiment_id"), "experiment_id", experiment)
        try:
            info_from_meta(meta, directory)
        except CorruptDataError as error:
            yield Finding(os.path.join(directory, META), str(error), "Correct the file by hand.")
        for part in (METRICS, PARAMS, ARTIFACTS):
            if not os.path.isdir(os.path.join(directory, part)):
                what = f"The directory {part!r} is missing, without which MLflow sees no run."
                yield Finding(directory, what, f"mkdir {os.path.join(directory, part)!r}")
    yield from _of_metrics(directory)
    for part in (PARAMS, TAGS):
        yield from _of_texts(directory, part)
    private = os.path.join(directory, PRIVATE)
    with suppress(OSError):
        for name in sorted(os.listdir(private)):
            if name.startswith(INTENT_PREFIX) and _is_stale(os.path.join(private, name)):
                what = "A batch was left half-written, and was never sent again."
                advice = "Send it again, or delete the file to let it be."
                yield Finding(os.path.join(private, name), what, advice)
    yield from _left_in(private)


def _of_model(directory: str) -> Iterator[Finding]:
    yield from _left_in(directory)
    yield from _meta_of(directory, kind="logged model")[1]
    yield from _of_metrics(directory, own_lines=False)
    for part in (PARAMS, TAGS):
        yield from _of_texts(directory, part)


def _of_registered_model(directory: str) -> Iterator[Finding]:
    yield from _left_in(directory)
    yield from _meta_of(directory, kind="registered model")[1]
    yield from _of_texts(directory, TAGS)
    for name in subdirectories(directory):
        if name.startswith("version-"):
            version = os.path.join(directory, name)
            yield from _left_in(version)
            yield from _meta_of(version, kind="model version")[1]
            yield from _of_texts(version, TAGS)


def _of_metrics(directory: str, *, own_lines: bool = True) -> Iterator[Finding]:
    for key, path in sorted(keys_in(directory, METRICS)):
        try:
            content = read(path)
        except OSError as error:
            yield Finding(path, f"It can't be read: {error.strerror}.", "Check its owner and mode.")
            continue
        points, broken = parse_points(key, content)
        if not content:
            what = "The file of points is empty; MLflow can't read its run."
            yield Finding(path, what, "Delete the file.")
        elif own_lines and broken:
            what = f"{broken} of {broken + len(points)} lines are torn or broken, and passed over."
            yield Finding(path, what, "Delete those lines, or MLflow can't read the run.")


def _of_texts(directory: str, part: str) -> Iterator[Finding]:
    for _, path in sorted(keys_in(directory, part)):
        try:
            read_text(path)
        except CorruptDataError as error:
            yield Finding(path, str(error), "Write it anew, or delete it.")
        except OSError as error:
            yield Finding(path, f"It can't be read: {error.strerror}.", "Check its owner and mode.")


def _meta_of(directory: str, *, kind: str) -> tuple[dict[str, object] | None, list[Finding]]:
    path = os.path.join(directory, META)
    if os.path.exists(os.path.join(directory, PURGE_MARK)):
        what = f"The purge of this {kind} was interrupted."
        return None, [Finding(directory, what, "Purge it again, or delete the directory.")]
    try:
        return read_meta(directory), []
    except FileNotFoundError:
        what = f"There is no meta.yaml, so that this isn't a {kind}."
        return None, [Finding(directory, what, "Delete the directory, or put the file back.")]
    except CorruptDataError as error:
        return None, [Finding(path, str(error), "Correct the file by hand.")]
    except OSError as error:
        what = f"It can't be read: {error.strerror}."
        return None, [Finding(path, what, "Check its owner and mode.")]


def _id_findings(
    directory: str, recorded: object, name: str, expected: str | None = None
) -> Iterator[Finding]:
    expected = expected or os.path.basename(directory)
    if recorded is not None and str(recorded) != expected:
        what = f"The meta.yaml has the {name} {str(recorded)!r}; the directory's counts."
        advice = f"Put {expected!r} there, or MLflow doesn't see it."
        yield Finding(os.path.join(directory, META), what, advice)


def _looks_like_run(directory: str) -> bool:
    # Artifacts may lie beside the runs, in directories of any name.
    names = (META, METRICS, PARAMS, TAGS, PURGE_MARK)
    return any(os.path.exists(os.path.join(directory, name)) for name in names)


def _left_in(directory: str) -> Iterator[Finding]:
    """Yield temporary files and locks that nobody needs any more."""
    with suppress(OSError):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if name.startswith(TEMPORARY_PREFIX) and _is_stale(path):
                yield Finding(path, "A temporary file was left behind.", "Delete it.")
            elif name.startswith(LOCK_NAME) and os.path.isfile(path) and is_left_behind(path):
                what = "The lock of a process that has ended was left behind."
                yield Finding(path, what, "Delete it, or let the next writer do that.", "note")


def _is_stale(path: str) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > _STALE_AFTER
    except OSError:
        return False


def _of_index(index: RunIndex) -> Iterator[Finding]:
    path = index.path
    if not index.is_used:
        yield Finding(path, "The index is switched off by the setting file_index.", "", "note")
        return
    if not os.path.exists(path):
        yield Finding(path, "There is no index yet; the first search makes it.", "", "note")
        return
    import sqlite3  # deferred: only the index needs it

    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as connection:
            (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        yield Finding(path, f"The index holds {runs} runs.", "", "note")
    except sqlite3.Error as error:
        yield Finding(path, f"The index can't be read: {error}.", "Delete it; it is made anew.")
