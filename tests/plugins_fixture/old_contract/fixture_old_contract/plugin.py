from tracking_core.discovery import BackendSpec, CommandSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="antique",
            schemes=("antique",),
            implementation="fixture_old_contract.store:NeverImported",
            contract_version=0,
        )
    ]


@hookimpl
def tracking_commands():
    return [
        CommandSpec(
            name="dig", implementation="fixture_old_contract.store:never", contract_version=0
        )
    ]
