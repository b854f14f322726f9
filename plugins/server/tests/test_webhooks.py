"""Webhooks: told what happens, signed, again when it failed, and never where they may not be."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plugins.server.tests.asgi_client import AsgiClient
from plugins.server.tests.conftest import Serve
from plugins.server.tests.receiving import Received, Receiver, receiving
from tracking_core.entities import WebhookEvent, WebhookStatus
from tracking_core.stores import NewWebhook, WebhookChanges
from tracking_core.stores.memory import MemoryStore
from tracking_core.wire.contract_calls import contract_calls
from tracking_core_server.webhooks import delivery as delivery_module
from tracking_core_server.webhooks import public_address, sending
from tracking_core_server.webhooks.delivery import WebhookDelivery

EVERYTHING = [
    {"entity": each.entity.upper(), "action": each.action.upper()} for each in WebhookEvent
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def client(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> AsgiClient:
    """A server that may tell this machine, and doesn't wait long before it tells again."""
    monkeypatch.setattr(delivery_module, "_FIRST_PAUSE", 0.001)
    return serve(allows_private_webhooks=True)


def hook(client: AsgiClient, url: str, **fields: Any) -> dict[str, Any]:
    given = {"name": "hook", "url": url, "events": EVERYTHING, **fields}
    made: dict[str, Any] = client.call("webhooks", given)["webhook"]
    return made


def told(received: Received) -> tuple[str, dict[str, Any]]:
    said = received.told
    return f"{said['entity']}.{said['action']}", said["data"]


def make_model(client: AsgiClient, name: str = "m", **fields: Any) -> None:
    client.call("registered-models/create", {"name": name, **fields})


# --- what is told ---


def test_what_happens_to_models_is_told(client: AsgiClient, receiver: Receiver) -> None:
    hook(client, receiver.url)
    tags = [{"key": "k", "value": "v"}]
    make_model(client, tags=tags, description="about")
    version = {"name": "m", "source": "models:/m-1", "run_id": "r", "tags": tags}
    client.call("model-versions/create", version)
    one = {"name": "m", "version": "1"}
    client.call("model-versions/set-tag", {**one, "key": "a", "value": "b"})
    client.call("model-versions/delete-tag", {**one, "key": "a"}, method="DELETE")
    client.call("registered-models/alias", {**one, "alias": "champion"})
    client.call("registered-models/alias", {"name": "m", "alias": "champion"}, method="DELETE")
    came = receiver.wait_for(6)
    assert sorted(map(told, came), key=str) == sorted(
        [
            (
                "registered_model.created",
                {"name": "m", "tags": {"k": "v"}, "description": "about"},
            ),
            (
                "model_version.created",
                {
                    "name": "m",
                    "version": "1",
                    "source": "models:/m-1",
                    "run_id": "r",
                    "tags": {"k": "v"},
                    "description": None,
                },
            ),
            ("model_version_tag.set", {**one, "key": "a", "value": "b"}),
            ("model_version_tag.deleted", {**one, "key": "a"}),
            ("model_version_alias.created", {**one, "alias": "champion"}),
            ("model_version_alias.deleted", {"name": "m", "alias": "champion"}),
        ],
        key=str,
    )
    assert all(each.path == "/hook?token=geheim" for each in came)
    assert all("X-MLflow-Signature" not in each.headers for each in came)


def test_what_happens_to_prompts_is_told_as_such(client: AsgiClient, receiver: Receiver) -> None:
    hook(client, receiver.url)
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    make_model(client, "p", tags=prompt)
    text = {"key": "mlflow.prompt.text", "value": "Hi {{a}}"}
    client.call(
        "model-versions/create", {"name": "p", "source": "prompts:/1", "tags": [*prompt, text]}
    )
    client.call("registered-models/set-tag", {"name": "p", "key": "a", "value": "b"})
    one = {"name": "p", "version": "1"}
    client.call("model-versions/set-tag", {**one, "key": "a", "value": "b"})
    client.call("registered-models/alias", {**one, "alias": "live"})
    assert dict(map(told, receiver.wait_for(5))) == {
        "prompt.created": {"name": "p", "tags": {}, "description": None},
        "prompt_version.created": {
            **one,
            "template": "Hi {{a}}",
            "tags": {},
            "description": None,
        },
        "prompt_tag.set": {"name": "p", "key": "a", "value": "b"},
        "prompt_version_tag.set": {**one, "key": "a", "value": "b"},
        "prompt_alias.created": {**one, "alias": "live"},
    }


def test_a_change_by_the_contract_is_told_like_one_by_mlflows_calls(
    client: AsgiClient, receiver: Receiver
) -> None:
    from tracking_core.stores import NewRegisteredModel

    hook(client, receiver.url)
    path = "/api/2.0/tracking/contract/ModelRegistryStore/create_registered_model"
    body = contract_calls()[path].request(NewRegisteredModel(name="m"))
    assert client.request("POST", path, body=body).status == 200
    assert told(receiver.wait_for(1)[0])[0] == "registered_model.created"


def test_only_what_was_asked_for_is_told_and_only_to_the_active(
    client: AsgiClient, receiver: Receiver
) -> None:
    created = {"entity": "MODEL_VERSION", "action": "CREATED"}
    hook(client, receiver.url + "&n=1", events=[created])
    hook(client, receiver.url + "&n=2", status="DISABLED")
    changed = hook(client, receiver.url + "&n=3")
    client.call(f"webhooks/{changed['webhook_id']}", {"status": "DISABLED"}, method="PATCH")
    gone = hook(client, receiver.url + "&n=4")
    client.call(f"webhooks/{gone['webhook_id']}", method="DELETE")
    make_model(client)
    client.call("model-versions/create", {"name": "m", "source": "models:/m-1"})
    client.application.close()  # waits for what is due
    assert [(each.path[-3:], told(each)[0]) for each in receiver.came] == [
        ("n=1", "model_version.created")
    ]


def test_what_failed_is_not_told(client: AsgiClient, receiver: Receiver) -> None:
    hook(client, receiver.url)
    make_model(client)
    again = client.post("/api/2.0/mlflow/registered-models/create", {"name": "m"})
    assert again.status == 400
    client.application.close()
    assert len(receiver.came) == 1


# --- signatures ---


def test_a_delivery_is_signed_with_the_secret(client: AsgiClient, receiver: Receiver) -> None:
    hook(client, receiver.url, secret="s3cret")
    make_model(client)
    (came,) = receiver.wait_for(1)
    headers = came.headers
    content = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode()
    digest = hmac.new(b"s3cret", content + came.body, hashlib.sha256).digest()
    assert headers["X-MLflow-Signature"] == "v1," + base64.b64encode(digest).decode()
    assert headers["Content-Type"] == "application/json"
    assert abs(int(headers["X-MLflow-Timestamp"]) - time.time()) < 60


def test_no_answer_holds_the_secret(client: AsgiClient, receiver: Receiver) -> None:
    made = hook(client, receiver.url, secret="geheimnis")
    path = f"/api/2.0/mlflow/webhooks/{made['webhook_id']}"
    answers = [
        client.get("/api/2.0/mlflow/webhooks"),
        client.get(path),
        client.request("PATCH", path, body=b'{"secret": "geheimnis2"}'),
        client.post(f"{path}/test"),
    ]
    for answer in answers:
        assert answer.status == 200
        assert b"geheimnis" not in answer.body
    assert not [path for path in contract_calls() if "ebhook" in path]


# --- again ---


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_delivery_that_failed_comes_again_under_the_same_id(
    client: AsgiClient, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status, status]
    hook(client, receiver.url, secret="s")
    make_model(client)
    came = receiver.wait_for(3)
    assert len({each.headers["X-MLflow-Delivery-Id"] for each in came}) == 1
    assert len({each.body for each in came}) == 1


def test_it_is_given_up_after_some_attempts(
    client: AsgiClient, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500] * 20
    hook(client, receiver.url)
    make_model(client)
    receiver.wait_for(4)
    client.application.close()
    assert len(receiver.came) == 4
    (line,) = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert line == (
        "The webhook hook (127.0.0.1) isn't told registered_model.created, after 4 attempts:"
        " it answered 500."
    )


def test_a_webhook_that_is_disabled_meanwhile_is_not_told_again(receiver: Receiver) -> None:
    give = _webhooks(receiver.url)
    (webhook,) = give().iterate_webhooks()
    receiver.statuses = [500]

    def disable(failed: int) -> float:
        give().update_webhook(
            webhook.webhook_id, changes=WebhookChanges(status=WebhookStatus.DISABLED)
        )
        return 0.0

    delivery = WebhookDelivery(give, allows_private=True, pause=disable)
    delivery.announce(WebhookEvent.PROMPT_CREATED, {"name": "p"})
    receiver.wait_for(1)
    delivery.close()
    assert len(receiver.came) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
def test_a_refusal_is_final_and_a_redirect_is_not_followed(
    client: AsgiClient, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [status]
    receiver.headers = {"Location": receiver.url + "&redirected"}
    hook(client, receiver.url)
    make_model(client)
    receiver.wait_for(1)
    client.application.close()
    assert len(receiver.came) == 1
    assert f"answered registered_model.created with {status}" in caplog.text
    assert ("redirects aren't followed" in caplog.text) == (status < 400)
    assert "geheim" not in caplog.text


def test_nobody_waits_for_a_webhook_that_does_not_answer(serve: Serve) -> None:
    client = serve(allows_private_webhooks=True)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hook(client, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        make_model(client)
        assert client.call("registered-models/get", {"name": "m"}, method="GET")
        silent.accept()[0].close()


def test_an_endless_answer_is_cut_off(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_ANSWER_SECONDS", 0.2)
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        over = threading.Event()

        def drip() -> None:
            connection = slow.accept()[0]
            with connection:
                while not over.wait(0.02):
                    try:
                        connection.send(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
            with pytest.raises((OSError, sending.http.client.HTTPException)):
                sending.send(url, b"{}", delivery_id="d", secret=None, allows_private=True)
        finally:
            over.set()
            thread.join()


def _webhooks(url: str) -> Callable[[], MemoryStore]:
    from tracking_core.config import Settings, Uri

    store = MemoryStore(Uri.parse("memory:"), Settings())
    store.create_webhook(NewWebhook(name="hook", url=url, events=tuple(WebhookEvent)))
    return lambda: store


def test_too_many_events_are_dropped_with_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery_module, "_MOST_WAITING", 3)
    started, go_on = threading.Event(), threading.Event()

    def webhooks() -> None:
        started.set()
        go_on.wait(20)

    monkeypatch.setattr(delivery_module, "_THREADS", 1)
    delivery = WebhookDelivery(webhooks, allows_private=True)
    delivery.announce(WebhookEvent.PROMPT_CREATED, {})
    started.wait(20)
    for _ in range(5):
        delivery.announce(WebhookEvent.PROMPT_CREATED, {})
    go_on.set()
    delivery.close()
    assert caplog.text.count("Too many events wait") == 2


def test_the_end_does_not_wait_for_another_attempt(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500]
    delivery = WebhookDelivery(
        _webhooks(receiver.url), allows_private=True, pause=lambda failed: 1_000.0
    )
    delivery.announce(WebhookEvent.PROMPT_CREATED, {"name": "p"})
    receiver.wait_for(1)
    delivery.close()
    assert len(receiver.came) == 1
    assert "given up" in caplog.text or "isn't told prompt.created again" in caplog.text


def test_a_backend_that_cannot_be_reached_for_a_moment_is_asked_again(
    receiver: Receiver,
) -> None:
    from tracking_core.errors import StoreUnavailableError

    give = _webhooks(receiver.url)
    failures = [StoreUnavailableError("not now")]

    class Flaky:
        def __getattr__(self, name: str) -> Any:
            if failures:
                raise failures.pop()
            return getattr(give(), name)

    delivery = WebhookDelivery(Flaky, allows_private=True, pause=lambda failed: 0.0)  # type: ignore[arg-type]
    delivery.announce(WebhookEvent.PROMPT_CREATED, {"name": "p"})
    receiver.wait_for(1)
    delivery.close()


# --- where it may not go ---


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/", "must begin with https://"),
        ("https://localhost/", "isn't a public address"),
        ("https://a.localhost./", "isn't a public address"),
        ("https://127.0.0.1/", "isn't a public address"),
        ("https://10.1.2.3/", "isn't a public address"),
        ("https://169.254.169.254/latest/meta-data", "isn't a public address"),
        ("https://[::1]/", "isn't a public address"),
        ("https://[::ffff:127.0.0.1]/", "isn't a public address"),
        ("https://[64:ff9b::a00:1]/", "isn't a public address"),
        ("https://[fe80::1%25eth0]/", "isn't a public address"),
        ("https://0/", "isn't a public address"),
        ("https://127.1/", "isn't a public address"),
        ("https://2130706433/", "isn't a public address"),
        ("https://0x7f000001/", "isn't a public address"),
        ("https://224.0.0.1/", "isn't a public address"),
        ("https://240.0.0.1/", "isn't a public address"),
        ("ftp://example.org/", "must be like https://host/path"),
        ("https:///path", "must be like https://host/path"),
        ("https://me:pw@example.org/", "can't hold a user or password"),
        ("https://example.org:99999/", "can't be read"),
        ("https://exa mple.org/", "without spaces"),
        ("https://example.org/\r\nX: y", "without spaces"),
        ("https://exämple.org/", "without spaces"),
        ("https://example.org/" + "a" * 500, "at most 500 characters"),
        ("", "must be like https://host/path"),
    ],
)
def test_a_url_that_is_not_told_is_refused(client: AsgiClient, url: str, said: str) -> None:
    from tracking_core.config import Settings
    from tracking_core_server import create_app

    application = create_app("memory:", settings=Settings())
    with AsgiClient(application) as strict:
        given = {"name": "hook", "url": url, "events": EVERYTHING}
        answer = strict.post("/api/2.0/mlflow/webhooks", given)
        assert (answer.status, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert said in answer.message
        made = hook(strict, "https://example.org/")
        changed = strict.request(
            "PATCH",
            f"/api/2.0/mlflow/webhooks/{made['webhook_id']}",
            body=json.dumps({"url": url}).encode(),
        )
        assert (changed.status, said in changed.message) == (400, True)
        found = strict.call(f"webhooks/{made['webhook_id']}", {}, method="GET")
        assert found["webhook"]["url"] == "https://example.org/"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["100.64.0.1"], ["0.0.0.0"]]
)
def test_a_name_that_stands_for_a_private_address_is_not_told(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    connected: list[object] = []
    monkeypatch.setattr(
        public_address.socket,
        "getaddrinfo",
        lambda host, port, type: [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, type, 6, "", (each, port))
            for each in addresses
        ],
    )
    monkeypatch.setattr(sending, "_connected", lambda *found: connected.append(found))
    client = serve()
    made = hook(client, "https://rebinding.example/")
    result = client.call(f"webhooks/{made['webhook_id']}/test")["result"]
    assert result["success"] is False
    assert "isn't public" in result["error_message"]
    assert connected == []


def test_the_address_that_was_looked_at_is_the_one_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    asked: list[object] = []

    class ConnectedError(Exception):
        pass

    def connected(found: list[tuple[int, str]], port: int) -> None:
        asked.append((found, port))
        raise ConnectedError

    monkeypatch.setattr(
        public_address.socket,
        "getaddrinfo",
        lambda host, port, type: [(2, type, 6, "", (each, port)) for each in next(answers)],
    )
    monkeypatch.setattr(sending, "_connected", connected)
    with pytest.raises(ConnectedError):
        sending.send("https://a.example/", b"", delivery_id="d", secret=None, allows_private=False)
    assert asked == [([(2, "8.8.8.8")], 443)]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("2002:808:808::1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::1", False),  # 6to4 of 10.0.0.1
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),  # Teredo of 10.0.0.1
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
    ],
)
def test_addresses_that_stand_for_others_are_taken_for_these(address: str, expected: bool) -> None:
    assert public_address.is_public(address) == expected


# --- the calls ---


def test_a_test_tells_something_made_up_and_what_came_of_it(
    client: AsgiClient, receiver: Receiver
) -> None:
    made = hook(client, receiver.url, status="DISABLED", secret="s")
    path = f"webhooks/{made['webhook_id']}/test"
    assert client.call(path)["result"] == {
        "success": True,
        "response_status": 200,
        "response_body": "thanks",
    }
    for each in EVERYTHING:
        assert client.call(path, {"event": each})["result"]["success"]
    names = [told(each)[0] for each in receiver.came]
    assert names == ["registered_model.created", *map(str, WebhookEvent)]
    assert all("X-MLflow-Signature" in each.headers for each in receiver.came)
    receiver.statuses = [418]
    receiver.body = b"x" * 100_000
    result = client.call(path)["result"]
    assert (result["success"], result["response_status"]) == (False, 418)
    assert len(result["response_body"]) <= 4_096


def test_a_test_that_waits_holds_up_nobody(client: AsgiClient, receiver: Receiver) -> None:
    quick = hook(client, receiver.url)
    for _ in range(20):  # so that such calls seem to be quick
        client.call(f"webhooks/{quick['webhook_id']}/test")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        made = hook(client, f"http://127.0.0.1:{silent.getsockname()[1]}/")

        async def both() -> list[str]:
            order: list[str] = []

            async def ask(name: str, method: str, target: str) -> None:
                await client.send(method, target)
                order.append(name)
                if name == "health":
                    silent.accept()[0].close()

            path = f"/api/2.0/mlflow/webhooks/{made['webhook_id']}/test"
            waiting = asyncio.ensure_future(ask("test", "POST", path))
            await asyncio.sleep(0.05)
            await ask("health", "GET", "/health")
            await waiting
            return order

        assert client.run(both()) == ["health", "test"]


def test_a_test_of_what_cannot_be_reached_says_why(client: AsgiClient) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        made = hook(client, f"http://127.0.0.1:{unused.getsockname()[1]}/")
        result = client.call(f"webhooks/{made['webhook_id']}/test")["result"]
    assert result["error_message"] == "The test of the webhook failed: Connection refused"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"events": []}, "at least one event"),
        ({"events": [{"entity": "MODEL_VERSION", "action": "UPDATED"}]}, "model_version.updated"),
        ({"events": [{"entity": "RUN", "action": "CREATED"}]}, "run.created"),
        ({"events": [{"entity": "PROMPT"}]}, "action"),
        ({"name": "-a"}, "'-a' is not one"),
        ({"name": "a" * 64}, "is not one"),
        ({"name": ""}, "is not one"),
        ({"status": "MAYBE"}, "status of a webhook 'MAYBE'"),
        ({"secret": "x" * 1_001}, "1 to 1000 characters"),
        ({"secret": "a\nb"}, "printable"),
    ],
)
def test_a_bad_webhook_is_refused_with_a_sentence(
    client: AsgiClient, given: dict[str, Any], said: str
) -> None:
    whole = {"name": "hook", "url": "https://example.org/", "events": EVERYTHING, **given}
    answer = client.post("/api/2.0/mlflow/webhooks", whole)
    assert answer.status == 400
    assert said in answer.message
    assert client.call("webhooks", {}, method="GET") == {}


def test_enums_may_be_numbers(client: AsgiClient) -> None:
    made = hook(client, "https://example.org/", events=[{"entity": 2, "action": 1}], status=2)
    assert made["events"] == [{"entity": "MODEL_VERSION", "action": "CREATED"}]
    assert made["status"] == "DISABLED"


def test_a_backend_without_webhooks_says_so(serve: Serve, tmp_path: Any) -> None:
    client = serve(str(tmp_path / "mlruns"), allows_private_webhooks=True)
    answer = client.get("/api/2.0/mlflow/webhooks")
    assert answer.status == 501
    assert "has no WebhookStore" in answer.message
    make_model(client)  # and nobody is told, without a word
