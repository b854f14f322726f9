from tracking_core.discovery import ArtifactRepositorySpec, BackendSpec, CommandSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="good",
            schemes=("good", "better"),
            implementation="fixture_good.store:GoodStore",
            summary="In memory.",
            facets=("RunStore",),
            capabilities=("purge",),
        )
    ]


@hookimpl
def tracking_artifact_repositories():
    return [
        ArtifactRepositorySpec(
            name="good-artifacts",
            schemes=("good",),
            implementation="fixture_good.repository:GoodRepository",
        )
    ]


@hookimpl
def tracking_run_context_tags(settings):
    return {"platform.job": "42", "mlflow.user": settings.run_id or "platform"}


@hookimpl
def tracking_commands():
    return [
        CommandSpec(
            name="greet",
            implementation="fixture_good.commands:greet",
            summary="Say hello to the store.",
        ),
        CommandSpec(name="band", implementation="fixture_good.commands:band"),
        # The core's own command of this name wins.
        CommandSpec(name="runs", implementation="fixture_good.commands:greet", summary="Not me."),
    ]


@hookimpl
def tracking_request_headers(uri, settings):
    return {"X-Platform": uri}


@hookimpl
def tracking_request_auth(uri, settings):
    return (lambda request: request) if "signed" in uri else None
