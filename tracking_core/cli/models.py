"""`tracking models`: the model registry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import click

from tracking_core.cli.confirming import confirm
from tracking_core.cli.documents import model_version_document, registered_model_document
from tracking_core.cli.groups import Group
from tracking_core.cli.output import (
    Column,
    answer,
    moment,
    note,
    print_fields,
    print_table,
    printable,
    when,
)
from tracking_core.cli.session import Session, pass_session
from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel

_PAGE = 100


@click.group(cls=Group)
def models() -> None:
    """Registered models: NAME is a model's name, VERSION a number."""


@models.command("list")
@click.option("--filter", "filter_string", metavar="TEXT", help="Such as: name LIKE 'digits%'.")
@click.option("--order-by", multiple=True, metavar="TEXT", help="Such as: name DESC.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="0: all.")
@pass_session
def list_(
    session: Session, filter_string: str | None, order_by: tuple[str, ...], limit: int
) -> None:
    """List registered models."""
    matching = _registered_models(session, filter_string, order_by)
    found = list(itertools.islice(matching, limit or None))
    rows = [
        [
            model.name,
            str(max((v.version for v in model.latest_versions), default="")),
            _aliases(model),
            moment(model.last_updated_timestamp or None),
            model.description,
        ]
        for model in found
    ]
    columns = [
        Column("NAME", keep=True),
        Column("LATEST", "right", keep=True),
        Column("ALIASES"),
        Column("CHANGED"),
        Column("DESCRIPTION"),
    ]
    answer(
        session,
        [registered_model_document(model) for model in found],
        lambda: print_table(columns, rows, empty="No registered model matches."),
    )
    if limit and len(found) == limit and next(matching, None) is not None:
        note(f"There are more than {limit}; --limit 0 shows all.")


@models.command()
@click.argument("name")
@pass_session
def describe(session: Session, name: str) -> None:
    """Show one registered model."""
    model = session.client.get_registered_model(name)

    def show() -> None:
        print_fields(
            [
                ("Name", model.name),
                ("Description", model.description),
                ("Aliases", _aliases(model)),
                ("Created", when(model.creation_timestamp or None)),
                ("Changed", when(model.last_updated_timestamp or None)),
                *(("Tag", f"{key} = {value}") for key, value in sorted(model.tags.items())),
            ]
        )
        if model.latest_versions:
            click.echo()
            _print_versions(model.latest_versions)

    answer(session, registered_model_document(model), show)


@models.command()
@click.argument("name")
@pass_session
def versions(session: Session, name: str) -> None:
    """List all versions of a registered model, the newest first."""
    session.client.get_registered_model(name)
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    found = sorted(
        (v for v in _model_versions(session, f"name = '{quoted}'") if v.name == name),
        key=lambda version: -version.version,
    )
    answer(
        session,
        [model_version_document(version) for version in found],
        lambda: _print_versions(found),
    )


@models.group()
def alias() -> None:
    """Names that point to a version."""


@alias.command("set")
@click.argument("name")
@click.argument("alias")
@click.argument("version", type=click.IntRange(min=1))
@pass_session
def set_alias(session: Session, name: str, alias: str, version: int) -> None:
    """Let an alias point to a version; it moves from where it was."""
    session.client.set_registered_model_alias(name, alias, version)
    _tell_model(session, name, f"{alias} is version {version} of {name}.")


@alias.command("delete")
@click.argument("name")
@click.argument("alias")
@pass_session
def delete_alias(session: Session, name: str, alias: str) -> None:
    """Take an alias away."""
    session.client.delete_registered_model_alias(name, alias)
    _tell_model(session, name, f"{name} has no alias {alias} any more.")


@models.group()
def tag() -> None:
    """Tags of a registered model, or with --version of one of its versions."""


_version_option = click.option(
    "--version", type=click.IntRange(min=1), help="A version rather than the model."
)


@tag.command("set")
@click.argument("name")
@click.argument("key")
@click.argument("value")
@_version_option
@pass_session
def set_tag(session: Session, name: str, key: str, value: str, version: int | None) -> None:
    """Set a tag."""
    if version is None:
        session.client.set_registered_model_tag(name, key, value)
    else:
        session.client.set_model_version_tag(name, version, key, value)
    _tell(session, name, version, f"Set the tag {key} of {_title(name, version)}.")


@tag.command("delete")
@click.argument("name")
@click.argument("key")
@_version_option
@pass_session
def delete_tag(session: Session, name: str, key: str, version: int | None) -> None:
    """Delete a tag."""
    if version is None:
        session.client.delete_registered_model_tag(name, key)
    else:
        session.client.delete_model_version_tag(name, version, key)
    _tell(session, name, version, f"Deleted the tag {key} of {_title(name, version)}.")


@models.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1))
@click.argument(
    "stage", type=click.Choice([str(s) for s in ModelVersionStage], case_sensitive=False)
)
@click.option("--archive-existing", is_flag=True, help="Archive the stage's other versions.")
@pass_session
def stage(session: Session, name: str, version: int, stage: str, archive_existing: bool) -> None:
    """Move a version to a stage; aliases do more."""
    session.client.transition_model_version_stage(
        name, version, stage, archive_existing_versions=archive_existing
    )
    _tell(session, name, version, f"{_title(name, version)} is in stage {stage}.")


@models.command()
@click.argument("name")
@_version_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_session
def delete(session: Session, name: str, version: int | None, yes: bool) -> None:
    """Delete a registered model with all its versions, or one version, for good."""
    if version is None:
        session.client.get_registered_model(name)
        confirm(f"Delete {name!r} and all its versions for good?", yes=yes)
        session.client.delete_registered_model(name)
    else:
        session.client.get_model_version(name, version)
        confirm(f"Delete {_title(name, version)} for good?", yes=yes)
        session.client.delete_model_version(name, version)
    answer(
        session,
        {"name": name, "version": version, "deleted": True},
        lambda: click.echo(f"Deleted {_title(name, version)}."),
    )


def _registered_models(
    session: Session, filter_string: str | None, order_by: tuple[str, ...]
) -> Iterator[RegisteredModel]:
    token: str | None = None
    while True:
        page = session.client.search_registered_models(
            filter_string=filter_string,
            max_results=_PAGE,
            order_by=list(order_by) or None,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def _model_versions(session: Session, filter_string: str) -> Iterator[ModelVersion]:
    token: str | None = None
    while True:
        page = session.client.search_model_versions(
            filter_string=filter_string, max_results=_PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _print_versions(found: list[ModelVersion] | tuple[ModelVersion, ...]) -> None:
    columns = [
        Column("VERSION", "right", keep=True),
        Column("STAGE"),
        Column("ALIASES"),
        Column("STATUS"),
        Column("CREATED"),
        Column("RUN", identifier=True),
        Column("SOURCE"),
    ]
    rows = [
        [
            str(version.version),
            str(version.current_stage),
            ", ".join(version.aliases),
            str(version.status),
            moment(version.creation_timestamp or None),
            version.run_id or "",
            version.source,
        ]
        for version in found
    ]
    print_table(columns, rows, empty="There are no versions.")


def _aliases(model: RegisteredModel) -> str:
    return ", ".join(f"{alias}={version}" for alias, version in sorted(model.aliases.items()))


def _title(name: str, version: int | None) -> str:
    return printable(name) if version is None else f"version {version} of {printable(name)}"


def _tell(session: Session, name: str, version: int | None, text: str) -> None:
    if version is None:
        _tell_model(session, name, text)
        return
    document = model_version_document(session.client.get_model_version(name, version))
    answer(session, document, lambda: click.echo(text))


def _tell_model(session: Session, name: str, text: str) -> None:
    document = registered_model_document(session.client.get_registered_model(name))
    answer(session, document, lambda: click.echo(printable(text)))
