from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="half",
            schemes=("half",),
            implementation="fixture_half_written.store:HalfStore",
        )
    ]
