"""The base of the facets that a backend bundles."""

from __future__ import annotations

from tracking_core.contract import Contract


class Facet(Contract):
    """A coherent part of a backend, such as its runs or its model registry."""
