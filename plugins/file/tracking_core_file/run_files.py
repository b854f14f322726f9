"""A run read from its files, with the stamps that tell later whether it is still the same."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    latest_metrics,
)
from tracking_core.errors import CorruptDataError
from tracking_core.stores import RUN_NAME_TAG
from tracking_core_file.facet import integer_or_none
from tracking_core_file.files import read, read_all
from tracking_core_file.keys import (
    POINT_MODELS,
    key_of,
    key_of_overflow,
    key_path,
    overflow_directory,
    overflow_path,
    point_models_path,
)
from tracking_core_file.layout import (
    DATASETS,
    INPUTS,
    META,
    METRICS,
    OUTPUTS,
    PARAMS,
    PRIVATE,
    TAGS,
)
from tracking_core_file.metric_lines import format_point, latest_point, parse_points
from tracking_core_file.stamps import ABSENT, Stamper
from tracking_core_file.yaml_text import load_yaml

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class RunEntry(msgspec.Struct, frozen=True):
    """A run as it was read.

    Attributes:
        run: The run, in its own stage.
        paths: What was looked at: relative to the run's directory; directories end in a slash, and
            the run's own is the empty text.
        stamps: The stamp of each.
    """

    run: Run
    paths: tuple[str, ...]
    stamps: tuple[int, ...]


class RunReader:
    """Reads one run; what can't be read of its data is left out, and told.

    Attributes:
        problems: Sentences about what was left out.
    """

    def __init__(self, directory: str, *, tick: int) -> None:
        self.problems: list[str] = []
        self._directory = directory
        self._stamper = Stamper(tick)
        self._stamps: dict[str, int] = {}

    def read(self) -> RunEntry:
        """Return the run.

        Raises:
            FileNotFoundError: There is no meta.yaml, so no run.
            CorruptDataError: The meta.yaml can't be read.
            OSError: The file system refused.
        """
        self._stamps[""] = self._stamper(os.stat(self._directory))
        meta = load_yaml(self._content(META), os.path.join(self._directory, META))
        info = info_from_meta(meta, self._directory)
        parts = frozenset(os.listdir(self._directory))
        tags = self._texts(TAGS, parts)
        if (name := tags.get(RUN_NAME_TAG, info.run_name)) != info.run_name:
            info = replace(info, run_name=name)
        run = Run(
            info=info,
            data=RunData(
                latest_metrics=self._metrics(parts), params=self._texts(PARAMS, parts), tags=tags
            ),
            inputs=self._inputs() if INPUTS in parts else RunInputs(),
            outputs=self._outputs() if OUTPUTS in parts else RunOutputs(),
        )
        return RunEntry(run, tuple(self._stamps), tuple(self._stamps.values()))

    def _metrics(self, parts: frozenset[str]) -> tuple[Metric, ...]:
        found: dict[str, Metric] = {}
        for key, path in self._keys(METRICS, parts):
            content = self._try_content(path)
            point = None if content is None else latest_point(key, content)[0]
            if point is not None:
                found[key] = latest_metrics((found[key], point))[key] if key in found else point
        if PRIVATE in parts:
            for key, _ in self._walk(f"{PRIVATE}/{POINT_MODELS}/", key_of_overflow):
                path = point_models_path(self._directory, key)
                self._content(os.path.relpath(path, self._directory))
                if key in found:
                    found[key] = latest_metrics(read_points(self._directory, key)[0])[key]
        return tuple(found[key] for key in sorted(found))

    def _texts(self, part: str, parts: frozenset[str]) -> dict[str, str]:
        found = {}
        for key, path in self._keys(part, parts):
            content = self._try_content(path)
            if content is None:
                continue
            try:
                found[key] = content.decode("utf-8")
            except UnicodeDecodeError:
                self.problems.append(f"{self._directory}/{path} is not UTF-8 text.")
        return found

    def _inputs(self) -> RunInputs:
        datasets: list[DatasetInput] = []
        models: list[LoggedModelInput] = []
        for meta in self._metas(INPUTS):
            source = str(meta.get("source_id"))
            if meta.get("source_type") == "MODEL":
                models.append(LoggedModelInput(source))
                continue
            described = self._try_meta(f"../{DATASETS}/{source}")
            if described is not None:
                tags = meta.get("tags")
                pairs = tags.items() if isinstance(tags, dict) else ()
                datasets.append(
                    DatasetInput(
                        _dataset_from_meta(described),
                        tuple(InputTag(str(key), str(value)) for key, value in pairs),
                    )
                )
        return RunInputs(tuple(datasets), tuple(models))

    def _outputs(self) -> RunOutputs:
        made = [meta for meta in self._metas(OUTPUTS) if meta.get("source_type") == "RUN_OUTPUT"]
        return RunOutputs(
            tuple(
                LoggedModelOutput(
                    str(each.get("source_id")), integer_or_none(each.get("step")) or 0
                )
                for each in made
            )
        )

    def _metas(self, part: str) -> list[dict[str, Any]]:
        """Read what lies in `<part>/<id>/meta.yaml`, in the order in which it was logged."""
        self._stamp(f"{part}/")
        found = []
        for name in os.listdir(f"{self._directory}/{part}"):
            self._stamp(f"{part}/{name}/")
            meta = self._try_meta(f"{part}/{name}")
            if meta is not None:
                # MLflow notes no order; what it wrote comes last, always the same way.
                position = integer_or_none(meta.get(POSITION))
                found.append((position is None, position or 0, name, meta))
        return [meta for *_, meta in sorted(found, key=lambda each: each[:3])]

    def _try_meta(self, directory: str) -> dict[str, Any] | None:
        content = self._try_content(f"{directory}/{META}")
        if content is None:
            return None
        try:
            return load_yaml(content, f"{self._directory}/{directory}/{META}")
        except CorruptDataError as error:
            self.problems.append(str(error))
            return None

    def _keys(self, part: str, parts: frozenset[str]) -> Iterator[tuple[str, str]]:
        if part in parts:
            yield from self._walk(f"{part}/", key_of)
        if PRIVATE in parts:
            self._stamp(f"{PRIVATE}/")
            base = os.path.relpath(overflow_directory(self._directory, part), self._directory)
            self._stamp(f"{os.path.dirname(base)}/")
            yield from self._walk(f"{base}/", key_of_overflow)

    def _walk(
        self, base: str, key_from: Callable[[tuple[str, ...]], str | None]
    ) -> Iterator[tuple[str, str]]:
        """Yield (key, path) of the files below a directory."""
        if self._stamp(base) == ABSENT:
            return
        directories: list[tuple[str, tuple[str, ...]]] = [(base, ())]
        while directories:
            directory, above = directories.pop()
            try:
                with os.scandir(f"{self._directory}/{directory}") as entries:
                    found = list(entries)
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in found:
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    self._stamp(f"{directory}{name}/")
                    directories.append((f"{directory}{name}/", (*above, name)))
                    continue
                key = key_from((*above, name))
                if key is not None:
                    yield key, f"{directory}{name}"

    def _stamp(self, path: str) -> int:
        try:
            value = self._stamper(os.stat(f"{self._directory}/{path}"))
        except OSError:
            value = ABSENT
        self._stamps[path] = value
        return value

    def _content(self, path: str) -> bytes:
        descriptor = os.open(f"{self._directory}/{path}", _READ)
        try:
            self._stamps[path] = self._stamper(os.fstat(descriptor))
            return read_all(descriptor)
        finally:
            os.close(descriptor)

    def _try_content(self, path: str) -> bytes | None:
        try:
            return self._content(path)
        except (FileNotFoundError, NotADirectoryError):
            self._stamps[path] = ABSENT
        except OSError as error:
            self._stamps[path] = ABSENT
            self.problems.append(f"{self._directory}/{path} can't be read: {error.strerror}.")
        return None


POSITION = "tracking_core_position"
"""In the meta.yaml of an input or output: its place among those of the run."""


def info_from_meta(meta: dict[str, Any], directory: str) -> RunInfo:
    """Return the header of the run in a directory, from what its meta.yaml holds.

    Ids are those of the directories: a copied directory is another run. Files of all versions of
    MLflow are read: the oldest have `name` for `run_name`, and no stage.

    Raises:
        CorruptDataError: The status is none.
    """
    parent, run_id = os.path.split(directory)
    experiment_id = os.path.basename(parent)
    stage = meta.get("lifecycle_stage")
    name = meta.get("run_name") or meta.get("name")
    user = meta.get("user_id")
    return RunInfo(
        run_id=run_id,
        experiment_id=experiment_id,
        run_name="" if name is None else str(name),
        user_id="" if user is None else str(user),
        status=_status(meta.get("status"), directory),
        start_time=integer_or_none(meta.get("start_time")),
        end_time=integer_or_none(meta.get("end_time")),
        artifact_uri=str(meta.get("artifact_uri") or ""),
        lifecycle_stage=(LifecycleStage.DELETED if stage == "deleted" else LifecycleStage.ACTIVE),
        deleted_time=integer_or_none(meta.get("deleted_time")) if stage == "deleted" else None,
    )


def read_points(directory: str, key: str) -> tuple[list[Metric], int]:
    """Return the points of a metric as they were logged, and how many lines are torn or broken."""
    points: list[Metric] = []
    broken = 0
    for path in dict.fromkeys(
        (key_path(directory, METRICS, key), overflow_path(directory, METRICS, key))
    ):
        try:
            found, torn = parse_points(key, read(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            if error.errno != 36:  # ENAMETOOLONG
                raise
            continue
        points += found
        broken += torn
    try:
        models = read(point_models_path(directory, key))
    except (FileNotFoundError, NotADirectoryError):
        return points, broken
    return list(_with_models(points, models)), broken


def _with_models(points: Iterable[Metric], noted: bytes) -> Iterator[Metric]:
    """Give the points the models that were noted, each line once, in the order of the notes."""
    models: dict[bytes, list[str]] = defaultdict(list)
    for line in reversed(noted.split(b"\n")[:-1]):
        model_id, _, noted_line = line.partition(b" ")
        models[noted_line + b"\n"].append(model_id.decode("ascii", "replace"))
    for point in points:
        of_this = models.get(format_point(point))
        yield replace(point, model_id=of_this.pop()) if of_this else point


def _dataset_from_meta(meta: dict[str, Any]) -> Dataset:
    def text(name: str) -> str:
        value = meta.get(name)
        return "" if value is None else str(value)

    return Dataset(
        name=text("name"),
        digest=text("digest"),
        source_type=text("source_type"),
        source=text("source"),
        schema=None if meta.get("schema") is None else text("schema"),
        profile=None if meta.get("profile") is None else text("profile"),
    )


def _status(value: object, directory: str) -> RunStatus:
    if value is None:
        return RunStatus.RUNNING
    try:
        if isinstance(value, str) and not value.isdigit():
            return RunStatus(value)
        return RunStatus.from_number(int(value))  # type: ignore[call-overload]
    except (ValueError, KeyError, TypeError):
        raise CorruptDataError(
            f"The file {os.path.join(directory, META)!r} has the status {value!r}, which is none."
        ) from None
