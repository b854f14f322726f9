"""Validate a store: `python -m tracking_core.testing my_plugin.store:MyStore URI`."""

from __future__ import annotations

import argparse
import importlib
import sys

from tracking_core.testing.location import StoreLocation
from tracking_core.testing.report import validate


def main(arguments: list[str] | None = None) -> int:
    """Validate the store that the arguments name; 0 if it conforms."""
    parser = argparse.ArgumentParser(
        prog="python -m tracking_core.testing",
        description="Check that a store does what the contract asks, and print a report.",
    )
    parser.add_argument("store", metavar="MODULE:CLASS", help="the class of the store")
    parser.add_argument("uri", metavar="URI", help="a place that may be written to")
    parser.add_argument("--only", default="", help="run only tests whose names contain this")
    parser.add_argument(
        "--private",
        action="store_true",
        help="a second connection doesn't see the first one's data",
    )
    given = parser.parse_args(arguments)
    module, _, name = given.store.partition(":")
    if not name:
        parser.error(f"{given.store!r} is not of the form package.module:Class")
    try:
        store = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        parser.error(f"{given.store!r} can't be imported: {error}")
    location = StoreLocation(store, given.uri, reopens=not given.private)
    report = validate(location, only=given.only)
    sys.stdout.write(f"{report}\n")
    return 0 if report.conforms else 1


if __name__ == "__main__":
    sys.exit(main())
