"""Contracts: nobody makes an instance of one that is half-written."""

from __future__ import annotations

from abc import abstractmethod

import pytest

from tracking_core.contract import CONTRACT_VERSION, Contract
from tracking_core.errors import IncompleteStoreError


class Greeter(Contract):
    contract_name = "Greeter"

    @abstractmethod
    def hello(self) -> str:
        """Say hello."""

    @abstractmethod
    def goodbye(self) -> str:
        """Say goodbye."""


class Half(Greeter):
    def hello(self) -> str:
        return "hello"


class Whole(Half):
    def __init__(self, name: str, *, loud: bool = False) -> None:
        self.name, self.loud = name, loud

    def goodbye(self) -> str:
        return "goodbye"


def test_the_version_is_a_whole_number() -> None:
    assert isinstance(CONTRACT_VERSION, int)


def test_the_interface_itself_names_all_of_its_methods() -> None:
    with pytest.raises(IncompleteStoreError, match=r"Greeter\.goodbye, Greeter\.hello\.$"):
        Greeter()


def test_a_half_written_one_is_told_its_own_name_and_what_is_missing() -> None:
    with pytest.raises(IncompleteStoreError) as caught:
        Half()
    assert str(caught.value) == (
        f"{Half.__module__}.Half can't be used: it doesn't implement Greeter.goodbye."
    )


def test_a_whole_one_gets_its_arguments() -> None:
    made = Whole("kim", loud=True)
    assert (made.name, made.loud, made.hello(), made.goodbye()) == ("kim", True, "hello", "goodbye")
