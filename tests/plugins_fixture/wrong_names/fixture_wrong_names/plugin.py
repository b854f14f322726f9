from tracking_core.discovery import BackendSpec, CommandSpec, hookimpl


@hookimpl
def tracking_backends():
    return [
        BackendSpec(name=name, schemes=(name,), implementation=implementation)
        for name, implementation in (
            ("no-class", "fixture_wrong_names.store:Missing"),
            ("no-store", "fixture_wrong_names.store:NoStore"),
            ("no-module", "fixture_wrong_names.absent:Store"),
            ("no-colon", "fixture_wrong_names.store.NoStore"),
        )
    ]


@hookimpl
def tracking_commands():
    return [
        CommandSpec(name=name, implementation=implementation)
        for name, implementation in (
            ("say-nothing", "fixture_wrong_names.store:Missing"),
            ("say-store", "fixture_wrong_names.store:NoStore"),
            ("say-module", "fixture_wrong_names.absent:command"),
            ("say-colon", "fixture_wrong_names.store.NoStore"),
        )
    ]
