import click


@click.command()
@click.argument("name", default="you")
@click.option("--table", is_flag=True)
@click.pass_obj
def greet(session, name, table):
    """Say hello."""
    session.note("A note, which nobody sees who isn't at a terminal.")
    uri = session.settings.tracking_uri
    assert isinstance(session.as_json, bool)

    def show():
        if table:
            session.print_table(["NAME", "LENGTH"], [[name, str(len(name))], ["x", "1"]])
        else:
            session.print_fields([("Hello", name), ("Nothing", ""), ("From", str(uri))])

    session.answer({"hello": name, "from": uri, "value": float("nan")}, show)


@click.group()
def band():
    """Play."""


@band.command()
@click.option("--json", "as_json", is_flag=True, help="The drummer's own.")
def drum(as_json):
    """Drum."""
    click.echo(f"Boom {as_json}.")


@band.command()
def fall():
    """Fall off the stage."""
    raise ValueError("mind the gap")
