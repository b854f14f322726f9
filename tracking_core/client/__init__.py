"""The client: an object that does everything, and no global state."""

from tracking_core.client.client import Client
from tracking_core.client.paged_list import PagedList
from tracking_core.client.pending import Pending

__all__ = ["Client", "PagedList", "Pending"]
