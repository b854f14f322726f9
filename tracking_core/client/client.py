"""The client."""

from __future__ import annotations

from tracking_core.client.images import ImageMethods
from tracking_core.client.logged_models import LoggedModelMethods
from tracking_core.client.purge import PurgeMethods
from tracking_core.client.registry import RegistryMethods
from tracking_core.client.webhooks import WebhookMethods


class Client(ImageMethods, LoggedModelMethods, RegistryMethods, PurgeMethods, WebhookMethods):
    """Everything that can be done with a tracking store, without any global state.

    The methods have the names, parameters and results of MLflow's `MlflowClient`. Any number of
    clients of any URIs may be used at the same time, from any thread; forked processes may go on
    with the one that they inherit. As a context manager it closes itself.

    Args:
        tracking_uri: Where runs are kept: a path, or a URI of whatever scheme a plugin serves.
            None: what the settings say, which is `./mlruns` if they say nothing.
        registry_uri: Where registered models are kept; None: what the settings say, or else the
            tracking store.
        settings: None: from the environment and the configuration files.
        plugins: Where plugins are found; None: the manager of this process.

    Raises:
        InvalidValueError: It isn't a URI.
        UnknownSchemeError: No plugin serves its scheme.
    """
