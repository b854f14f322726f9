"""`tracking server` and `tracking ui`."""

from __future__ import annotations

import functools
import logging
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from tracking_core.config import DEFAULT_TRACKING_URI, redact
from tracking_core_server.configuration import ServerConfiguration

if TYPE_CHECKING:
    from tracking_core.discovery import CommandSession

_DEFAULT_DESTINATION = "./mlartifacts"


def _option(*names: str, env: str, **attributes: Any) -> Callable[[Any], Any]:
    return click.option(
        *names,
        envvar=[f"TRACKING_SERVER_{env}", f"MLFLOW_{env}"],
        show_envvar=False,
        **attributes,
    )


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that both commands have."""
    options = [
        _option("--backend-store-uri", env="BACKEND_STORE_URI", help="Where runs are kept."),
        _option(
            "--registry-store-uri",
            env="REGISTRY_STORE_URI",
            help="Where registered models are kept, if not there.",
        ),
        _option(
            "--default-artifact-root",
            env="DEFAULT_ARTIFACT_ROOT",
            help="Where new experiments put artifacts, if not through the server.",
        ),
        _option(
            "--serve-artifacts/--no-serve-artifacts",
            env="SERVE_ARTIFACTS",
            default=True,
            help="Whether artifacts go through the server.",
        ),
        _option("--artifacts-only", env="ARTIFACTS_ONLY", is_flag=True, help="Nothing else."),
        _option(
            "--artifacts-destination",
            env="ARTIFACTS_DESTINATION",
            default=_DEFAULT_DESTINATION,
            show_default=True,
            help="Where they lie then.",
        ),
        _option(
            "--artifact-root",
            "artifact_roots",
            env="ARTIFACT_ROOTS",
            multiple=True,
            help="A further place whose artifacts may be shown; can be given again.",
        ),
        _option(
            "--port",
            "-p",
            env="PORT",
            type=click.IntRange(0, 65_535),
            default=5000,
            show_default=True,
        ),
        _option(
            "--workers",
            "-w",
            env="WORKERS",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Processes that answer.",
        ),
        _option("--static-prefix", env="STATIC_PREFIX", default="", help="Before all paths."),
        _option(
            "--allowed-hosts",
            env="SERVER_ALLOWED_HOSTS",
            default="",
            help="Names by which the server is called, with commas; * for any.",
        ),
        _option(
            "--cors-allowed-origins",
            env="SERVER_CORS_ALLOWED_ORIGINS",
            default="",
            help="Sites whose pages may call it, with commas; * for any.",
        ),
        _option(
            "--x-frame-options",
            env="SERVER_X_FRAME_OPTIONS",
            type=click.Choice(["SAMEORIGIN", "DENY", "NONE"], case_sensitive=False),
            default="SAMEORIGIN",
            show_default=True,
        ),
        _option(
            "--disable-security-middleware",
            env="SERVER_DISABLE_SECURITY_MIDDLEWARE",
            is_flag=True,
            help="Look at neither Host nor Origin.",
        ),
        _option(
            "--webhook-allow-private",
            env="WEBHOOK_ALLOW_PRIVATE_IPS",
            is_flag=True,
            help="Let webhooks go to addresses of private networks.",
        ),
        _option("--threads", env="THREADS", type=click.IntRange(1), default=32, show_default=True),
        _option(
            "--request-timeout",
            env="REQUEST_TIMEOUT",
            type=click.FloatRange(0, min_open=True),
            default=120.0,
            show_default=True,
            help="Seconds after which a call is given up.",
        ),
        _option(
            "--shutdown-timeout",
            env="SHUTDOWN_TIMEOUT",
            type=click.IntRange(0),
            default=30,
            show_default=True,
            help="Seconds that requests have to be finished after SIGTERM.",
        ),
        _option(
            "--log-level",
            env="LOG_LEVEL",
            type=click.Choice(["critical", "error", "warning", "info", "debug"]),
            default="warning",
            show_default=True,
        ),
    ]
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


@click.command()
@_option("--host", "-h", env="HOST", default="127.0.0.1", show_default=True)
@_options
@click.pass_obj
def server(session: CommandSession, /, host: str, **options: Any) -> None:
    """Serve a backend by MLflow's REST API, until it is told to stop."""
    _serve(session, host, options, opens_browser=False)


@click.command()
@_options
@click.pass_obj
def ui(session: CommandSession, /, **options: Any) -> None:
    """Serve a backend on this machine alone, and open the browser."""
    _serve(session, "127.0.0.1", options, opens_browser=True)


def _serve(
    session: CommandSession, host: str, options: dict[str, Any], *, opens_browser: bool
) -> None:
    # Uvicorn takes longer to import than the help of this command may take.
    from tracking_core.discovery import open_store
    from tracking_core_server.running import serve

    settings = session.settings
    store_uri = options["backend_store_uri"] or settings.tracking_uri or DEFAULT_TRACKING_URI
    serves = options["serve_artifacts"] or options["artifacts_only"]
    configuration = ServerConfiguration(
        store_uri=store_uri,
        registry_store_uri=options["registry_store_uri"] or settings.registry_uri,
        artifacts_destination=options["artifacts_destination"] if serves else None,
        default_artifact_root=options["default_artifact_root"],
        artifact_roots=options["artifact_roots"],
        artifacts_only=options["artifacts_only"],
        static_prefix=options["static_prefix"],
        allowed_hosts=_listed(options["allowed_hosts"]),
        allowed_origins=_listed(options["cors_allowed_origins"]),
        frame_options=options["x_frame_options"],
        is_guarded=not options["disable_security_middleware"],
        allows_private_webhooks=options["webhook_allow_private"],
        threads=options["threads"],
        request_timeout=options["request_timeout"],
    )
    for uri in {store_uri, configuration.registry_store_uri or store_uri}:
        # Connects to nothing, but a URI that no plugin serves is told now and not to each client.
        open_store(uri, settings).close()
    logging.basicConfig(
        level=options["log_level"].upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )

    def started(url: str) -> None:
        click.echo(f"Serving {redact(store_uri)} on {url}", err=True)
        if opens_browser:
            webbrowser.open(url)

    serve(
        configuration,
        settings,
        host=host,
        port=options["port"],
        workers=options["workers"],
        log_level=options["log_level"],
        shutdown_seconds=options["shutdown_timeout"],
        started=started,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
