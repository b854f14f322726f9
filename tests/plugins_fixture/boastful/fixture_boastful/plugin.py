from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="boastful",
            schemes=("boastful",),
            implementation="fixture_boastful.store:BoastfulStore",
            facets=("RunStore", "ModelRegistryStore"),
            capabilities=("durable", "purge"),
        )
    ]
