"""Where a run comes from: the built-in answer to the hook `tracking_run_context_tags`.

Tags as MLflow names them. The JSON object in `TRACKING_RUN_CONTEXT` or `MLFLOW_RUN_CONTEXT`, of
text by key, is added and wins; that is how the system that starts a job says which job it is.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from tracking_core.client.git_checkout import read_checkout
from tracking_core.config import Settings
from tracking_core.discovery.hookspecs import hookimpl
from tracking_core.entities import SourceType

SOURCE_NAME_TAG = "mlflow.source.name"
SOURCE_TYPE_TAG = "mlflow.source.type"
USER_TAG = "mlflow.user"
COMMIT_TAG = "mlflow.source.git.commit"
BRANCH_TAG = "mlflow.source.git.branch"
REPOSITORY_TAG = "mlflow.source.git.repoURL"

_logger = logging.getLogger(__name__)

_told: set[str] = set()

VARIABLES = ("TRACKING_RUN_CONTEXT", "MLFLOW_RUN_CONTEXT")


@hookimpl
def tracking_run_context_tags(settings: Settings) -> dict[str, str]:
    """Return source, user and git checkout of this process."""
    return local_tags() | given_tags()


def local_tags() -> dict[str, str]:
    """Return what this process knows of itself: source, user and git checkout."""
    notebook = notebook_path()
    source = notebook or _script()
    kind = SourceType.LOCAL if notebook is None else SourceType.NOTEBOOK
    tags = {
        USER_TAG: _user(),
        SOURCE_NAME_TAG: source or "<console>",
        SOURCE_TYPE_TAG: kind.value,
    }
    # Who types into a console may stand in any checkout by chance; a script lies in its own.
    checkout = read_checkout(Path(source).absolute().parent) if source else None
    if checkout is not None:
        found = {
            COMMIT_TAG: checkout.commit,
            BRANCH_TAG: checkout.branch,
            REPOSITORY_TAG: checkout.remote_url,
        }
        tags.update({key: value for key, value in found.items() if value})
    return tags


def in_notebook_kernel() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    application = getattr(kernel, "IPKernelApp", None)
    return bool(application is not None and application.initialized())


def notebook_path() -> str | None:
    """Return the notebook that runs in this process, as far as it says so itself, or None."""
    if not in_notebook_kernel():
        return None
    import __main__

    # The first is set by VS Code, the second by Jupyter's server.
    path = getattr(__main__, "__vsc_ipynb_file__", None) or os.environ.get("JPY_SESSION_NAME")
    return str(path) if path else "notebook"


def _script() -> str | None:
    name = sys.argv[0] if sys.argv else ""
    return None if name in ("", "-c", "-") else name


def _user() -> str:
    # Local: it brings a dozen modules, and is asked for once a run.
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "unknown"  # a container's user may have no name


def given_tags() -> dict[str, str]:
    """Return the tags that the environment gives; what can't be read is told to the log, once."""
    for variable in VARIABLES:
        if text := os.environ.get(variable):
            try:
                tags = json.loads(text)
            except ValueError:
                tags = None
            if isinstance(tags, dict) and all(isinstance(value, str) for value in tags.values()):
                return tags
            if text not in _told:
                _told.add(text)
                _logger.warning(
                    "%s is passed over: it holds no JSON object of text by key.", variable
                )
    return {}
