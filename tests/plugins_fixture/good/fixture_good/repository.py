import io
from contextlib import contextmanager

from tracking_core.artifacts.repository import ArtifactRepository


class GoodRepository(ArtifactRepository):
    def list(self, path=""):
        return []

    def open_read(self, path):
        return io.BytesIO(b"")

    @contextmanager
    def open_write(self, path):
        yield io.BytesIO()

    def delete(self, path):
        pass
