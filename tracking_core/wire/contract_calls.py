"""The storage contract itself over HTTP: each method of a facet, its request struct, its result.

MLflow's endpoints can't say all that the contract says (chosen ids, projections, idempotency keys,
several changes at once). So a server of ours answers the contract's own methods too, and a client
of ours that finds them there uses nothing else. Bodies are MessagePack, which has NaN, and is a
third of the size of JSON.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core.stores import (
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    validation,
)

PREFIX = "/api/2.0/tracking/contract"
MEDIA_TYPE = "application/vnd.msgpack"


class ContractCall(msgspec.Struct, frozen=True, kw_only=True):
    """A method of a facet that can be called from afar.

    Attributes:
        facet: Whose it is.
        method: Its name.
        path: Where the server answers it.
        writes: Whether it changes anything.
        arguments: A struct with a field for each parameter.
        result: What it returns; NoneType for nothing.
    """

    facet: type[Facet]
    method: str
    path: str
    writes: bool
    arguments: Any
    result: Any

    def answer(
        self, facet: Facet, body: bytes, *, check: Callable[[Any], None] | None = None
    ) -> bytes:
        """Call the method of this facet and return its result.

        Args:
            facet: Whose method is called.
            body: What a client sent.
            check: Looks at the arguments first, and raises for those that the server refuses.

        Raises:
            InvalidValueError: The body isn't what the method takes.
            TrackingError: What the method raises.
        """
        try:
            given = _decoder(self.arguments).decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidValueError(
                f"The request to {self.method} can't be read: {error}."
            ) from error
        if check is not None:
            check(given)
        method: Callable[..., object] = getattr(facet, self.method)
        positional, keywords = _parameters(self.facet, self.method)
        result = method(
            *(getattr(given, name) for name in positional),
            **{name: getattr(given, name) for name in keywords},
        )
        return _encoder.encode(result)

    def request(self, *positional: object, **keywords: object) -> bytes:
        """Return the body that calls the method with these arguments.

        Raises:
            InvalidValueError: One of them can't be one, or can't be sent.
        """
        names, _ = _parameters(self.facet, self.method)
        given = dict(zip(names, positional, strict=False), **keywords)
        for name, value in given.items():
            # Requests have checked themselves; bare arguments would be refused there.
            if name in _CHECKS:
                _CHECKS[name](value)
            elif name == "name":
                what = "experiment name" if self.facet is RunStore else "registered model name"
                validation.check_text(value, what=what)
        try:
            return _encoder.encode(given)
        except (OverflowError, TypeError, UnicodeEncodeError) as error:
            raise InvalidValueError(
                f"The arguments of {self.method} can't be sent: {error}."
            ) from error

    def result_of(self, body: bytes) -> Any:
        """Return the result that an answer holds.

        Raises:
            InvalidValueError: It isn't one.
        """
        try:
            return _decoder(self.result).decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidValueError(
                f"The answer to {self.method} can't be read: {error}."
            ) from error


_FACETS: dict[str, type[Facet]] = {
    kind.__name__: kind for kind in (RunStore, ModelRegistryStore, LoggedModelStore)
}
_CHECKS: dict[str, Callable[[Any], object]] = {
    "alias": validation.check_alias,
    "experiment_id": validation.check_experiment_id,
    "inputs": validation.check_inputs,
    "model_id": validation.check_model_id,
    "outputs": validation.check_outputs,
    "run_id": validation.check_run_id,
    "version": validation.check_version,
}
_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


@cache
def _parameters(facet: type[Facet], method: str) -> tuple[list[str], list[str]]:
    parameters = list(inspect.signature(getattr(facet, method)).parameters.values())[1:]
    positional = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    return positional, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def _call(method: Callable[..., Any], *, writes: bool = False) -> ContractCall:
    owner, name = method.__qualname__.split(".")
    facet = next(
        kind for kind in (RunStore, ModelRegistryStore, LoggedModelStore) if kind.__name__ == owner
    )
    hints = {name: _sent(hint) for name, hint in get_type_hints(method).items()}
    result = hints.pop("return")
    defaults = inspect.signature(method).parameters
    fields = [
        (each, hint)
        if defaults[each].default is inspect.Parameter.empty
        else (each, hint, defaults[each].default)
        for each, hint in hints.items()
    ]
    arguments = msgspec.defstruct(
        f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True
    )
    return ContractCall(
        facet=facet,
        method=name,
        path=f"{PREFIX}/{owner}/{name}",
        writes=writes,
        arguments=arguments,
        result=result,
    )


def _sent(hint: Any) -> Any:
    """Return the type that is sent for one that takes more."""
    if get_origin(hint) in (Sequence, Iterable):
        return types.GenericAlias(tuple, (get_args(hint)[0], ...))
    return hint


@cache
def contract_calls() -> dict[str, ContractCall]:
    """Return the methods that can be called, by path; conveniences that loop aren't among them."""
    calls = (
        _call(RunStore.create_experiment, writes=True),
        _call(RunStore.get_experiment),
        _call(RunStore.update_experiment, writes=True),
        _call(RunStore.search_experiments),
        _call(RunStore.get_experiment_by_name),
        _call(RunStore.ensure_experiment, writes=True),
        _call(RunStore.count_experiments),
        _call(RunStore.create_run, writes=True),
        _call(RunStore.get_run),
        _call(RunStore.update_run, writes=True),
        _call(RunStore.search_runs),
        _call(RunStore.count_runs),
        _call(RunStore.log_batch, writes=True),
        _call(RunStore.delete_tag, writes=True),
        _call(RunStore.log_inputs, writes=True),
        _call(RunStore.log_outputs, writes=True),
        _call(RunStore.metric_history),
        _call(RunStore.metric_histories),
        _call(RunStore.search_datasets),
        _call(RunStore.purge, writes=True),
        _call(ModelRegistryStore.create_registered_model, writes=True),
        _call(ModelRegistryStore.get_registered_model),
        _call(ModelRegistryStore.update_registered_model, writes=True),
        _call(ModelRegistryStore.delete_registered_model, writes=True),
        _call(ModelRegistryStore.search_registered_models),
        _call(ModelRegistryStore.create_model_version, writes=True),
        _call(ModelRegistryStore.get_model_version),
        _call(ModelRegistryStore.update_model_version, writes=True),
        _call(ModelRegistryStore.delete_model_version, writes=True),
        _call(ModelRegistryStore.search_model_versions),
        _call(ModelRegistryStore.get_model_version_by_alias),
        _call(ModelRegistryStore.latest_versions),
        _call(LoggedModelStore.create_logged_model, writes=True),
        _call(LoggedModelStore.get_logged_model),
        _call(LoggedModelStore.update_logged_model, writes=True),
        _call(LoggedModelStore.delete_logged_model, writes=True),
        _call(LoggedModelStore.search_logged_models),
    )
    return {call.path: call for call in calls}
