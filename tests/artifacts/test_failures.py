"""What the operating system says of a failure, in sentences."""

from __future__ import annotations

import errno
import os

import pytest

from tracking_core.artifacts.failures import Failures, failure_of, is_worth_another_try
from tracking_core.errors import (
    ConflictError,
    CorruptDataError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)


def of(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/some/where/else")


TABLE = [
    (of(errno.ENOENT), NotFoundError, False),
    (of(errno.EACCES), PermissionDeniedError, False),
    (of(errno.EPERM), PermissionDeniedError, False),
    (of(errno.EROFS), PermissionDeniedError, False),
    (of(errno.EISDIR), ConflictError, False),
    (of(errno.ENOTDIR), ConflictError, False),
    (of(errno.EEXIST), ConflictError, False),
    (of(errno.ENOTEMPTY), ConflictError, False),
    (of(errno.ENAMETOOLONG), InvalidValueError, False),
    (of(errno.EILSEQ), InvalidValueError, False),
    (of(errno.ENOSPC), StoreUnavailableError, False),
    (of(errno.EDQUOT), StoreUnavailableError, False),
    (of(errno.EIO), StoreUnavailableError, True),
    (of(errno.ESTALE), StoreUnavailableError, True),
    (of(errno.EMFILE), StoreUnavailableError, True),
    (of(errno.ECONNRESET), StoreUnavailableError, True),
    (TimeoutError(), StoreUnavailableError, True),
    (FileExistsError("of a library"), ConflictError, False),
    (OSError("of a library"), StoreUnavailableError, True),
]


@pytest.mark.parametrize(("error", "kind", "again"), TABLE, ids=[repr(row[0]) for row in TABLE])
def test_each_failure_has_its_error_that_names_path_and_place(
    error: OSError, kind: type[TrackingError], again: bool
) -> None:
    with pytest.raises(kind, match=r"'d/f' in memory://x") as caught, Failures("d/f", "memory://x"):
        raise error
    assert caught.type is kind
    assert caught.value.__cause__ is error
    assert str(caught.value).endswith(".")
    if kind is not NotFoundError:
        assert (error.strerror or str(error) or "TimeoutError") in str(caught.value)
    assert is_worth_another_try(error) is again
    assert is_worth_another_try(caught.value) is again


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("x"), PermissionDeniedError("x"), ZeroDivisionError("x")]
)
def test_errors_of_ours_and_mistakes_come_out_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, Failures("d/f", "memory://x"):
        raise error
    assert caught.value is error
    if isinstance(error, OSError):
        assert failure_of(error, "d/f", "memory://x") is error


def test_what_is_wrong_with_the_data_is_not_a_matter_of_time() -> None:
    assert not is_worth_another_try(CorruptDataError("x"))
    assert not is_worth_another_try(ZeroDivisionError())
    assert is_worth_another_try(StoreUnavailableError("x"))
