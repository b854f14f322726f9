from tracking_core.discovery import BackendSpec, CommandSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="rival-second",
            schemes=("rival",),
            implementation="fixture_rival_second.store:RivalStore",
        )
    ]


@hookimpl
def tracking_commands():
    return [CommandSpec(name="compete", implementation="fixture_rival_second.commands:compete")]
