from tracking_core.discovery import BackendSpec, CommandSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="needy",
            schemes=("needy",),
            implementation="fixture_missing_library.store:NeedyStore",
            install="pip install 'tracking-core-fixture-missing-library[driver]'",
        )
    ]


@hookimpl
def tracking_commands():
    return [
        CommandSpec(
            name="need",
            implementation="fixture_missing_library.store:need",
            install="pip install 'tracking-core-fixture-missing-library[driver]'",
        )
    ]
