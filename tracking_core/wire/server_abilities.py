"""What a server of ours says of itself, so that a client of ours uses all of it."""

from __future__ import annotations

import msgspec

from tracking_core.stores import Limits

CAPABILITIES_PATH = "/api/2.0/tracking/capabilities"


class BackendAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend behind the server can do.

    Attributes:
        facets: Names of its facets.
        capabilities: Names of its capabilities.
        limits: What it refuses for its size.
    """

    facets: tuple[str, ...]
    capabilities: tuple[str, ...]
    limits: Limits


class ServerAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `/api/2.0/tracking/capabilities`, as JSON.

    Attributes:
        version: Of tracking-core.
        contract_version: Of the storage contract.
        tracking: The backend of experiments and runs.
        registry: The backend of the model registry.
        encodings: How bodies may be packed.
        serves_artifacts: Whether artifacts go through the server.
    """

    version: str
    contract_version: int
    tracking: BackendAbilities
    registry: BackendAbilities
    encodings: tuple[str, ...] = ()
    serves_artifacts: bool = False
