"""Where everything lies: MLflow's layout, and the few files that it doesn't know.

Source: what FileStore of MLflow 3.17 writes and reads.

```
<root>/<experiment_id>/meta.yaml
<root>/<experiment_id>/tags/<key>
<root>/<experiment_id>/datasets/<dataset_id>/meta.yaml
<root>/<experiment_id>/models/<model_id>/{meta.yaml,metrics/,params/,tags/,artifacts/}
<root>/<experiment_id>/<run_id>/meta.yaml
<root>/<experiment_id>/<run_id>/{metrics,params,tags}/<key>
<root>/<experiment_id>/<run_id>/{inputs,outputs}/<id>/meta.yaml
<root>/<experiment_id>/<run_id>/artifacts/
<root>/<experiment_id>/<run_id>/.tracking/      what MLflow has no place for
<root>/.trash/<experiment_id>/                  deleted experiments
<root>/models/<name>/                           the registry
<root>/.models.trash/                           what is being made or deleted there
```

MLflow takes any directory in the root, in `.trash` and in an experiment for one of its own, so ours
lie inside runs; the one exception has a name whose end, `.trash`, lets MLflow pass over it. Plain
files it passes over, but not in metrics, params, tags and aliases: locks and temporary files lie
beside these directories, never in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from tracking_core.errors import InvalidValueError, PermissionDeniedError
from tracking_core.stores import validation

_LONGEST_NAME = 255
_NOT_ON_WINDOWS = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[\\<>\"|?*\x00-\x1f].*|.*[ .]",
    re.IGNORECASE | re.DOTALL,
)

META = "meta.yaml"
TRASH = ".trash"
METRICS = "metrics"
PARAMS = "params"
TAGS = "tags"
INPUTS = "inputs"
OUTPUTS = "outputs"
ARTIFACTS = "artifacts"
DATASETS = "datasets"
MODELS = "models"
TRACES = "traces"

PRIVATE = ".tracking"
TEMPORARY_PREFIX = ".tmp-"
LOCK_NAME = ".lock"
PURGE_MARK = ".purging"
"""A file in the directory of a run or experiment whose removal has begun."""

UNSEEN_MODELS = ".models.trash"
RESERVED_IN_ROOT = frozenset({TRASH, MODELS, UNSEEN_MODELS})
RESERVED_IN_EXPERIMENT = frozenset({TAGS, DATASETS, MODELS, TRACES, ARTIFACTS})


class Layout:
    """The paths below one root, as text; no id or name makes one that leads out of it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.trash = os.path.join(root, TRASH)
        self.registry = os.path.join(root, MODELS)
        self.unseen_models = os.path.join(root, UNSEEN_MODELS)
        self._real_root: str | None = None

    def experiment(self, experiment_id: str, *, deleted: bool = False) -> str:
        """Return the directory of an experiment, in the root or in the trash.

        Raises:
            InvalidValueError: No experiment can have this id.
        """
        validation.check_experiment_id(experiment_id)
        _check_not_reserved(experiment_id, RESERVED_IN_ROOT, what="experiment id")
        return os.path.join(self.trash if deleted else self.root, experiment_id)

    def run(self, experiment_directory: str, run_id: str) -> str:
        """Return the directory of a run.

        Raises:
            InvalidValueError: No run can have this id.
        """
        validation.check_run_id(run_id)
        _check_not_reserved(run_id, RESERVED_IN_EXPERIMENT, what="run id")
        return os.path.join(experiment_directory, run_id)

    def logged_model(self, experiment_directory: str, model_id: str) -> str:
        """Return the directory of a logged model.

        Raises:
            InvalidValueError: No logged model can have this id.
        """
        validation.check_model_id(model_id)
        return os.path.join(experiment_directory, MODELS, model_id)

    def registered_model(self, name: str) -> str:
        """Return the directory of a registered model.

        Raises:
            InvalidValueError: No registered model can have this name.
        """
        validation.check_registered_model_name(name)
        if os.name == "nt" and _NOT_ON_WINDOWS.fullmatch(name):
            raise InvalidValueError(
                f"The registered model name {validation.shown(name)} can't be a directory's name on"
                " Windows, which this store makes of it; choose another."
            )
        if len(os.fsencode(name)) > _LONGEST_NAME:
            raise InvalidValueError(
                f"The registered model name {validation.shown(name)} has {len(os.fsencode(name))}"
                f" bytes; a directory's name has at most {_LONGEST_NAME}."
            )
        return os.path.join(self.registry, name)

    def experiment_directories(self) -> Iterator[tuple[str, str, bool]]:
        """Yield (id, directory, deleted) of all that may be experiments, those in use first."""
        for parent, deleted in ((self.root, False), (self.trash, True)):
            for name in subdirectories(parent):
                if name not in RESERVED_IN_ROOT and _may_be(name, validation.check_experiment_id):
                    yield name, os.path.join(parent, name), deleted

    def run_ids(self, experiment_directory: str) -> list[str]:
        """List the names of all that may be runs in an experiment's directory, sorted."""
        return [
            name
            for name in subdirectories(experiment_directory)
            if name not in RESERVED_IN_EXPERIMENT and _may_be(name, validation.check_run_id)
        ]

    def check_inside(self, path: str) -> None:
        """Check that a path to write to doesn't leave the root through a symbolic link.

        Raises:
            PermissionDeniedError: It does.
        """
        if self._real_root is None:
            self._real_root = os.path.realpath(self.root)
        real = os.path.realpath(path)
        if real != self._real_root and not real.startswith(self._real_root.rstrip(os.sep) + os.sep):
            raise PermissionDeniedError(
                f"{path!r} leads by a symbolic link out of {self.root!r}, to {real!r}; nothing is"
                " written there."
            )


def subdirectories(path: str) -> list[str]:
    """List the names of the directories in a directory, sorted; none if it isn't there."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


def _check_not_reserved(name: str, reserved: frozenset[str], *, what: str) -> None:
    if name in reserved:
        raise InvalidValueError(
            f"The {what} {name!r} is the name of a directory that the layout uses for something"
            " else; choose another."
        )


def _may_be(name: str, check: Callable[[object], str]) -> bool:
    try:
        check(name)
    except InvalidValueError:
        return False
    return True
