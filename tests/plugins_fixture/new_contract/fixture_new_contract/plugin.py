from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(
            name="futuristic",
            schemes=("futuristic",),
            implementation="fixture_new_contract.store:NeverImported",
            contract_version=99,
        )
    ]
