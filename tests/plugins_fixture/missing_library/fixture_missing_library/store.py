import no_such_driver.connections  # noqa: F401
