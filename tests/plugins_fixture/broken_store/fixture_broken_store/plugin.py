from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="fragile",
            schemes=("fragile",),
            implementation="fixture_broken_store.store:FragileStore",
        )
    ]
