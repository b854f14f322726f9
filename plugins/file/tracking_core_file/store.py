"""The file backend as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracking_core.config import Settings, Uri
from tracking_core.stores import BackendStore, Capability
from tracking_core_file.logged_models import FileLoggedModels
from tracking_core_file.registry import FileRegistry
from tracking_core_file.runs import FileRuns

if TYPE_CHECKING:
    from tracking_core_file.diagnosis import Finding


class FileStore(BackendStore, FileRuns, FileRegistry, FileLoggedModels):
    """Experiments, runs and models in a directory that MLflow reads and writes too.

    - **Who may call.** Any thread, any process, also of other machines that share the file system;
      after a fork both sides may go on.
    - **Atomic.** A file is written under another name and renamed; a point is one write at the end
      of its file. Changes of several files hold a lock that needs nothing from the file system but
      exclusive creation.
    - **Durable.** What a call acknowledged survives the end of the process, however it ends; with
      `durability = "system"` the end of the machine too.
    - **Nothing is made by opening or reading.** The first write makes the directory, with the
      experiment `0`, named `Default`, in it, as MLflow has it.
    """

    capabilities = frozenset(Capability)

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._open_runs(str(uri.local_path), settings)

    def diagnose(self) -> list[Finding]:
        """Look for what is wrong in the directory; changes nothing."""
        from tracking_core_file.diagnosis import diagnose  # deferred: only the doctor asks

        return diagnose(self)

    def close(self) -> None:
        FileRuns.close(self)
