from tracking_core.discovery import hookimpl


@hookimpl
def tracking_backends():
    return "good"


@hookimpl
def tracking_commands():
    return ["play"]


@hookimpl
def tracking_run_context_tags(settings):
    raise ValueError("no platform here")


@hookimpl
def tracking_hook_to_come():
    return []
