"""The calls that a backend answers: MLflow's endpoints, and the contract's own methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from tracking_core.config import Uri, redact
from tracking_core.errors import InvalidValueError
from tracking_core.stores import UNSET, ModelVersionChanges, NewModelVersion
from tracking_core.wire import codec
from tracking_core.wire.contract_calls import MEDIA_TYPE, ContractCall, contract_calls
from tracking_core.wire.endpoints import ENDPOINTS, Endpoint, registry, webhooks
from tracking_core.wire.messages.registry import CreateModelVersion
from tracking_core_server.exchange import Exchange
from tracking_core_server.execution import Execution
from tracking_core_server.routing import Handler, Route
from tracking_core_server.service import Service

Ready = Callable[[], Awaitable[None]]

_OWN_MEDIA_TYPE = MEDIA_TYPE.encode()


def call_routes(service: Service, execution: Execution, ready: Ready) -> Iterator[Route]:
    """Yield the routes of the calls that backends answer.

    Args:
        service: What is served.
        execution: Where the calls run.
        ready: Waits until the backend is prepared.
    """
    for endpoint in ENDPOINTS:
        if endpoint.facet is not None:
            handler = _message_handler(endpoint, service, execution, ready)
            for path in paths_of(endpoint.path):
                yield Route(
                    method=endpoint.method,
                    path=path,
                    name=endpoint.name,
                    handler=handler,
                    writes=endpoint.writes,
                )
    for call in contract_calls().values():
        yield Route(
            method="POST",
            path=call.path,
            name=f"{call.facet.__name__}.{call.method}",
            handler=_contract_handler(call, service, execution, ready),
            writes=call.writes,
        )


def paths_of(path: str) -> tuple[str, str]:
    """Return the two paths of an endpoint: for programs, and for pages in a browser."""
    return path, path.replace("/api/", "/ajax-api/", 1)


def _message_handler(
    endpoint: Endpoint, service: Service, execution: Execution, ready: Ready
) -> Handler:
    largest = service.configuration.largest_body
    is_get = endpoint.method == "GET"

    async def handle(exchange: Exchange) -> None:
        await ready()
        body = await exchange.body(largest=largest)
        query = exchange.query if is_get else []
        fields = exchange.fields

        def call() -> bytes:
            # Old clients send the message of a GET in its body.
            request = (
                codec.decode_query(query, endpoint.request, fields)
                if is_get and not (body and not query)
                else codec.decode_body(body, endpoint.request, fields)
            )
            if endpoint is registry.CREATE_VERSION:
                assert isinstance(request, CreateModelVersion)
                _check_source(request.source, service)
            assert endpoint.facet is not None
            assert endpoint.answer is not None
            return codec.encode(endpoint.answer(service.facet(endpoint.facet), request))

        if endpoint is webhooks.TEST:  # which waits for somebody else's server
            answer = await execution.in_thread(call)
        else:
            answer = await execution.run(endpoint.name, call)
        await exchange.answer(200, answer)

    return handle


def _contract_handler(
    call: ContractCall, service: Service, execution: Execution, ready: Ready
) -> Handler:
    largest = service.configuration.largest_body

    def check(arguments: object) -> None:
        # A version gets its source when it is made, or with a change.
        given = getattr(arguments, "new", None) or getattr(arguments, "changes", None)
        if isinstance(given, (NewModelVersion, ModelVersionChanges)) and given.source is not UNSET:
            _check_source(given.source, service)

    async def handle(exchange: Exchange) -> None:
        await ready()
        body = await exchange.body(largest=largest)

        def answer() -> bytes:
            facet = service.facet(call.facet)
            return call.answer(facet, body, check=check)

        result = await execution.run(call.path, answer)
        await exchange.answer(200, result, media_type=_OWN_MEDIA_TYPE)

    return handle


def _check_source(source: str, service: Service) -> None:
    """Refuse a model version whose files are some files of a machine.

    Whoever loads the version would read them: on the server, or on the reader's own machine.

    Raises:
        InvalidValueError: Its source is a local path outside of the server's places.
    """
    try:
        uri = Uri.parse(source)
    except InvalidValueError as error:
        raise InvalidValueError(f"Invalid model version source: {error}") from None
    # A prompt's files are its tags; MLflow's clients and pages say so with these words.
    if source in ("prompt-template", "dummy-source"):
        return
    if uri.scheme == "file" and not service.artifacts.holds(source):
        raise InvalidValueError(
            f"Invalid model version source: '{redact(source)}'. A local path must lie in a place"
            " that the server was started with; give the URI of a run's or a model's artifacts."
        )
