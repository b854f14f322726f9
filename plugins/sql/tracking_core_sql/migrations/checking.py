"""Whether a database is as it should be, as `tracking db check` tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Inspector,
    Table,
    UniqueConstraint,
    and_,
    func,
    inspect,
    or_,
    select,
    text,
)
from sqlalchemy.schema import CreateIndex

from tracking_core_sql import schema
from tracking_core_sql.exact_text import ExactString, ExactText

_SHOWN = 3


def problems(connection: Connection, *, progress: Callable[[str], None]) -> Iterator[str]:
    """Yield what is wrong, each with what to do about it; changes nothing."""
    progress("Looking at tables, columns and indexes.")
    structure = list(_structure(connection))
    yield from structure
    yield from _text(connection)
    if any("is missing from the database" in problem for problem in structure):
        return
    if connection.dialect.name == "sqlite":
        progress("Reading the file.")
        yield from _damage(connection)
    progress("Looking for rows that belong to nothing.")
    yield from _orphans(connection)
    progress("Counting points.")
    yield from _points(connection)
    yield from _registry(connection)


# --- structure ---


def _structure(connection: Connection) -> Iterator[str]:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in schema.metadata.sorted_tables:
        if table.name not in there:
            yield f"The table {table.name} is missing from the database; restore a backup."
            continue
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                yield (f"The column {column} is missing from the database; restore a backup.")
            elif columns[column.name]["nullable"] and not column.nullable:
                yield (
                    f"The column {column} lets NULL in, which it shouldn't; declare it NOT NULL."
                )
        yield from _indexes(connection, inspector, table)


def _indexes(connection: Connection, inspector: Inspector, table: Table) -> Iterator[str]:
    indexes = inspector.get_indexes(table.name)
    by_name = {index["name"]: index["column_names"] for index in indexes}
    unique: list[Sequence[str | None]] = [
        index["column_names"] for index in indexes if index["unique"]
    ]
    unique += [found["column_names"] for found in inspector.get_unique_constraints(table.name)]
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        names = [column.name for column in index.columns]
        if index.name not in by_name:
            sql = " ".join(str(CreateIndex(index).compile(dialect=connection.dialect)).split())
            yield f"The index {index.name} is missing, without which searches are slow; run: {sql};"
        elif by_name[index.name] != names:
            yield (
                f"The index {index.name} of {table.name} is on {by_name[index.name]} rather than"
                f" {names}; drop it and check again."
            )
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            names = [column.name for column in constraint.columns]
            if names not in unique:
                yield (
                    f"Nothing keeps {', '.join(names)} of {table.name} unique, so two writers can"
                    " make one thing twice; add a UNIQUE constraint."
                )
    key = inspector.get_pk_constraint(table.name)["constrained_columns"]
    if sorted(key) != sorted(column.name for column in table.primary_key):
        yield f"The primary key of {table.name} is on {key}; restore a backup."


# --- text ---


def _text(connection: Connection) -> Iterator[str]:
    """Yield where text would compare in another way than by its code points."""
    dialect = connection.dialect.name
    query = _COLLATIONS.get(dialect)
    if query is None:
        return
    found = {(table, column): name for table, column, name in connection.execute(text(query))}
    for table in schema.metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, (ExactString, ExactText)):
                continue
            declared = column.type.compile(dialect=connection.dialect)
            collation = found.get((table.name, column.name))
            if collation is not None and collation not in declared.replace('"', "").split():
                yield (
                    f"The column {column} has the collation {collation}, under which texts that"
                    f" differ may count as equal; declare it {declared}."
                )


_COLLATIONS = {
    "mysql": "SELECT table_name, column_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL",
    "postgresql": "SELECT relname, attname, collname FROM pg_attribute"
    " JOIN pg_class ON pg_class.oid = attrelid JOIN pg_collation ON pg_collation.oid = attcollation"
    " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0",
}
_COLLATIONS["mariadb"] = _COLLATIONS["mysql"]


# --- rows ---


def _damage(connection: Connection) -> Iterator[str]:
    for (found,) in connection.execute(text(f"PRAGMA quick_check({_SHOWN})")):
        if found != "ok":
            yield (
                f"The file is damaged ({found}); restore a backup, or save what can be read by"
                " `sqlite3 FILE .recover`."
            )


def _references() -> Iterator[tuple[Column[int], Column[int]]]:
    """Yield the columns that hold ids of other tables, declared as foreign keys or not."""
    for table in schema.metadata.sorted_tables:
        for column in table.columns:
            for foreign in column.foreign_keys:
                yield column, foreign.column
    for table in (schema.metric, schema.metric_block, schema.param, schema.tag, schema.batch):
        yield table.c.run, schema.run.c.id
        if "key" in table.c:
            yield table.c.key, schema.key.c.id
    yield schema.metric.c.origin, schema.origin.c.id


def _orphans(connection: Connection) -> Iterator[str]:
    for child, parent in _references():
        is_there = select(parent).where(parent == child).correlate(child.table).exists()
        count = _count(connection, child.table, child.is_not(None), ~is_there)
        if count:
            yield (
                f"Rows of {child.table.name} whose {child.name} isn't in {parent.table.name}, and"
                f" which nobody sees: {count:,}; remove them: DELETE FROM {child.table.name} WHERE"
                f" {_quoted(connection, child)} NOT IN (SELECT id FROM {parent.table.name});"
            )


def _points(connection: Connection) -> Iterator[str]:
    metric, block = schema.metric.c, schema.metric_block.c
    blocks = (
        select(
            block.run,
            block.key,
            func.sum(block.points).label("points"),
            func.max(block.number + block.points).label("end"),
        )
        .group_by(block.run, block.key)
        .subquery()
    )
    same = and_(blocks.c.run == metric.run, blocks.c.key == metric.key)
    wrong = (
        select(schema.run.c.run_id, schema.key.c.name)
        .select_from(
            schema.metric.outerjoin(blocks, same)
            .join(schema.run, schema.run.c.id == metric.run)
            .join(schema.key, schema.key.c.id == metric.key)
        )
        .where(
            or_(
                blocks.c.points.is_(None),
                blocks.c.points != metric.points,
                blocks.c.end != metric.points,
            )
        )
        .order_by(schema.run.c.run_id, schema.key.c.name)
        .limit(_SHOWN + 1)
    )
    found = list(connection.execute(wrong))
    if found:
        yield (
            f"The history of {_named(found)} has not as many points as were logged; restore a"
            " backup, or log them again to another run."
        )
    is_there = (
        select(metric.run)
        .where(metric.run == block.run, metric.key == block.key)
        .correlate(schema.metric_block)
        .exists()
    )
    count = _count(connection, schema.metric_block, ~is_there)
    if count:
        yield (
            f"Rows of tracking_metric_block that belong to no metric, and which nobody sees:"
            f" {count:,}; they take room and do no harm."
        )


def _registry(connection: Connection) -> Iterator[str]:
    alias, version = schema.registered_model_alias.c, schema.model_version.c
    is_there = (
        select(version.id)
        .where(version.model == alias.model, version.version == alias.version)
        .where(version.is_deleted == 0)
        .correlate(schema.registered_model_alias)
        .exists()
    )
    count = _count(connection, schema.registered_model_alias, ~is_there)
    if count:
        yield (
            f"Aliases of registered models whose version isn't there: {count:,}; set or delete them"
            " by `tracking models alias`."
        )


def _count(connection: Connection, table: FromClause, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table).where(*conditions)
    return connection.scalar(query) or 0


def _named(found: Sequence[Sequence[str]]) -> str:
    names = ", ".join(f"{name!r} of the run {run_id}" for run_id, name in found[:_SHOWN])
    return f"{names} and others" if len(found) > _SHOWN else names


def _quoted(connection: Connection, column: Column[int]) -> str:
    return connection.dialect.identifier_preparer.quote(column.name)
