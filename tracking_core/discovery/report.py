"""What plugins there are and how they are: for `tracking plugins` and `tracking doctor`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Literal

import msgspec

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings
from tracking_core.discovery.built_in import DISTRIBUTION
from tracking_core.discovery.hookspecs import ARTIFACT_REPOSITORIES, BACKENDS
from tracking_core.discovery.manager import (
    AnnouncedCommand,
    Announcement,
    Plugin,
    PluginManager,
    default_manager,
    describe,
    is_disabled,
)
from tracking_core.discovery.opening import (
    check_contract_version,
    import_command,
    import_implementation,
    open_artifact_repository,
    open_store,
)
from tracking_core.discovery.specs import BackendSpec, CommandSpec
from tracking_core.errors import ContractVersionError, NotFoundError, TrackingError
from tracking_core.stores.backend import BackendStore
from tracking_core.stores.capability import Capability
from tracking_core.stores.logged_model_store import LoggedModelStore
from tracking_core.stores.registry_store import ModelRegistryStore
from tracking_core.stores.run_store import RunStore
from tracking_core.stores.webhook_store import WebhookStore

Kind = Literal["backend", "artifacts", "command", "hooks"]
State = Literal["ok", "broken", "disabled", "conflict", "refused"]

_SWITCHED_OFF = "The settings switch it off."

# The best of three, because the first one may wait for the disk.
_IMPORT_COST = """
import importlib, json, sys, time
sys.path[:] = json.loads(sys.argv[1])
import tracking_core.discovery
start = time.perf_counter()
importlib.import_module(sys.argv[2])
print((time.perf_counter() - start) * 1000)
"""


class PluginReport(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a plugin provides, or a plugin that provides none of them.

    Attributes:
        name: What `tracking plugins check` takes.
        kind: What it is; `hooks` for a plugin with other hooks, or one that can't be asked.
        distribution: What to install, update or remove; empty if it was registered in the process.
        version: That distribution's version.
        contract_version: The contract that it was written for; None where it doesn't say.
        schemes: What it serves.
        facets: What it says to have.
        capabilities: What it says to be able to do.
        summary: One line for people.
        state: `ok`; `broken`: can't be imported or asked; `disabled`: by the settings; `conflict`:
            another has one of its schemes, or its command, too; `refused`: for another version of
            the contract.
        cause: Why, if not `ok`.
    """

    name: str
    kind: Kind
    distribution: str
    version: str
    contract_version: int | None = None
    schemes: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    summary: str = ""
    state: State = "ok"
    cause: str = ""


class PluginCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What trying a plugin showed.

    Attributes:
        report: What it announces.
        import_milliseconds: What importing it costs a fresh process that has tracking_core
            already; None if it can't be imported.
        facets: What it has; None if that can't be told without a URI to open.
        capabilities: Likewise.
        uri: What was opened, without secrets; None if nothing was.
        healthy: Whether that answers; None if nothing was opened.
        problems: Sentences; empty if all is well.
    """

    report: PluginReport
    import_milliseconds: float | None = None
    facets: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    uri: str | None = None
    healthy: bool | None = None
    problems: tuple[str, ...] = ()


def describe_plugins(
    manager: PluginManager | None = None, settings: Settings | None = None
) -> list[PluginReport]:
    """Return all that plugins provide, built-in ones first; imports no implementation."""
    manager, settings = manager or default_manager(), settings or Settings()
    return [report for report, _ in _described(manager, settings)]


def check_plugin(
    name: str,
    *,
    manager: PluginManager | None = None,
    settings: Settings | None = None,
    uri: str | None = None,
) -> PluginCheck:
    """Import a plugin, compare it with what it announces and, given a URI, open that.

    Raises:
        NotFoundError: No plugin has this name.
    """
    manager, settings = manager or default_manager(), settings or Settings()
    described = _described(manager, settings)
    named = [(report, found) for report, found in described if report.name == name]
    if not named:
        known = ", ".join(sorted({report.name for report, _ in described}))
        raise NotFoundError(f"There is no plugin {name!r}; there are: {known}.")
    # Where two have one name, the one with something wrong is what is asked about.
    report, found = min(named, key=lambda pair: pair[0].state == "ok")
    problems = [report.cause] if report.cause else []
    if found is None:
        return PluginCheck(report=report, problems=tuple(problems))
    if unknown := manager.unknown_hooks(found.plugin):
        problems.append(f"It has hooks that this version doesn't know: {', '.join(unknown)}.")
    if report.state == "refused":
        return PluginCheck(report=report, problems=tuple(problems))
    tried = _Trial(report, found, problems)
    tried.import_it()
    if uri is not None and report.kind != "command":
        tried.open(uri, manager, settings)
    return tried.result()


def _described(
    manager: PluginManager, settings: Settings
) -> list[tuple[PluginReport, Announcement | AnnouncedCommand | None]]:
    found: list[tuple[PluginReport, Announcement | AnnouncedCommand | None]] = []
    plugins = manager.plugins(settings)
    heard: set[Plugin] = set()
    hooks: tuple[tuple[str, Kind], ...] = (
        (BACKENDS, "backend"),
        (ARTIFACT_REPOSITORIES, "artifacts"),
    )
    for hook, kind in hooks:
        announced = manager.announcements(hook, settings)
        for each in announced:
            heard.add(each.plugin)
            state, reason = _state(each, announced, settings)
            found.append((_report(each, kind, state, reason), each))
    commands = manager.commands(settings)
    for command in commands:
        heard.add(command.plugin)
        state, reason = _command_state(command, commands)
        found.append((_report(command, "command", state, reason), command))
    for plugin in plugins:
        cause = manager.cause(plugin)
        if is_disabled(plugin, settings):
            found.append((_silent(plugin, "disabled", _SWITCHED_OFF), None))
        elif cause is not None:
            found.append((_silent(plugin, "broken", f"{describe(cause)}."), None))
        elif plugin not in heard and plugin.origin != "built-in":
            found.append((_silent(plugin, "ok", ""), None))
    return found


def _state(
    each: Announcement, announced: list[Announcement], settings: Settings
) -> tuple[State, str]:
    if each.spec.name in settings.disabled_plugins:
        return "disabled", _SWITCHED_OFF
    try:
        check_contract_version(each)
    except ContractVersionError as error:
        return "refused", str(error)
    for scheme in each.spec.schemes:
        others = [
            other
            for other in announced
            if other.key != each.key
            and scheme in other.spec.schemes
            and other.spec.name not in settings.disabled_plugins
        ]
        if not others:
            continue
        ahead = [a for a in others if _rank(a.plugin) < _rank(each.plugin)]
        if ahead:
            return "conflict", f"The scheme {scheme!r} is served by {ahead[0].plugin}, ahead of it."
        equals = [a for a in others if _rank(a.plugin) == _rank(each.plugin)]
        owner = settings.scheme_owners.get(scheme)
        if equals and owner is None:
            named = " and ".join(str(a.plugin) for a in equals)
            return "conflict", f"The scheme {scheme!r} is claimed by {named} too."
        if equals and owner != each.plugin.distribution:
            return "conflict", f"The setting scheme_owners gives {scheme!r} to {owner!r}."
    return "ok", ""


def _command_state(
    command: AnnouncedCommand, announced: list[AnnouncedCommand]
) -> tuple[State, str]:
    try:
        check_contract_version(command)
    except ContractVersionError as error:
        return "refused", str(error)
    named = [a for a in announced if a.spec.name == command.spec.name and a.key != command.key]
    ahead = [a for a in named if _rank(a.plugin) < _rank(command.plugin)]
    if ahead:
        return "conflict", f"The command is {ahead[0].plugin}'s, which is ahead of it."
    equals = [a for a in named if _rank(a.plugin) == _rank(command.plugin)]
    if equals:
        others = " and ".join(str(a.plugin) for a in equals)
        return "conflict", f"The command is claimed by {others} too."
    return "ok", ""


def _rank(plugin: Plugin) -> int:
    return ("built-in", "registered", "entry point").index(plugin.origin)


def _report(
    each: Announcement | AnnouncedCommand, kind: Kind, state: State, cause: str
) -> PluginReport:
    spec = each.spec
    return PluginReport(
        name=spec.name,
        kind=kind,
        distribution=each.plugin.distribution,
        version=_version(each.plugin),
        contract_version=spec.contract_version,
        schemes=() if isinstance(spec, CommandSpec) else spec.schemes,
        facets=spec.facets if isinstance(spec, BackendSpec) else (),
        capabilities=() if isinstance(spec, CommandSpec) else spec.capabilities,
        summary=spec.summary,
        state=state,
        cause=cause,
    )


def _silent(plugin: Plugin, state: State, cause: str) -> PluginReport:
    return PluginReport(
        name=plugin.name,
        kind="hooks",
        distribution=plugin.distribution,
        version=_version(plugin),
        state=state,
        cause=cause,
    )


def _version(plugin: Plugin) -> str:
    if plugin.version or plugin.distribution != DISTRIBUTION:
        return plugin.version
    # Local, because it is slow to import and only reports want it.
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return ""


class _Trial:
    """What is found out about one plugin, step by step."""

    def __init__(
        self,
        report: PluginReport,
        found: Announcement | AnnouncedCommand,
        problems: list[str],
    ) -> None:
        self._report = report
        self._found = found
        self._problems = problems
        self._milliseconds: float | None = None
        self._facets: tuple[str, ...] | None = None
        self._capabilities: tuple[str, ...] | None = None
        self._uri: str | None = None
        self._healthy: bool | None = None

    def import_it(self) -> None:
        try:
            if isinstance(self._found, AnnouncedCommand):
                import_command(self._found)
            elif self._report.kind == "artifacts":
                import_implementation(self._found, ArtifactRepository)
            else:
                self._look_at(import_implementation(self._found, BackendStore))
        except TrackingError as error:
            self._problems.append(str(error))
        else:
            self._milliseconds = _import_cost(self._found)

    def open(self, uri: str, manager: PluginManager, settings: Settings) -> None:
        self._healthy = False
        # A check reports whatever goes wrong; it is what it is for.
        try:
            if self._report.kind == "artifacts":
                repository = open_artifact_repository(uri, settings, manager=manager)
                self._uri = str(repository.uri)
                repository.list()
            else:
                with open_store(uri, settings, manager=manager) as store:
                    self._uri = str(store.uri)
                    self._try_out(store)
        except Exception as error:
            self._problems.append(f"{describe(error)}.")
        else:
            self._healthy = True

    def result(self) -> PluginCheck:
        for what, actual, declared in (
            ("facets", self._facets, self._report.facets),
            ("capabilities", self._capabilities, self._report.capabilities),
        ):
            if actual is not None and set(actual) != set(declared):
                lacking = ", ".join(sorted(set(declared) - set(actual))) or "nothing"
                silent = ", ".join(sorted(set(actual) - set(declared))) or "nothing"
                self._problems.append(
                    f"It announces other {what} than it has: too much is {lacking},"
                    f" {silent} is left out."
                )
        return PluginCheck(
            report=self._report,
            import_milliseconds=self._milliseconds,
            facets=self._facets,
            capabilities=self._capabilities,
            uri=self._uri,
            healthy=self._healthy,
            problems=tuple(self._problems),
        )

    def _look_at(self, implementation: type[BackendStore]) -> None:
        missing = sorted(getattr(implementation, "__abstractmethods__", ()))
        if missing:
            self._problems.append(f"Its class doesn't implement {', '.join(missing)}.")
        # A class that makes them for each instance only tells once something is opened.
        if implementation.facets is BackendStore.facets:
            kinds = (RunStore, ModelRegistryStore, LoggedModelStore, WebhookStore)
            self._facets = tuple(sorted(k.__name__ for k in kinds if issubclass(implementation, k)))
        declared = implementation.capabilities
        if declared is not BackendStore.capabilities and isinstance(declared, frozenset):
            self._capabilities = _names(declared)

    def _try_out(self, store: BackendStore) -> None:
        # Not compared by class: two plugins may announce one.
        if store.uri.scheme.partition("+")[0] not in self._report.schemes:
            raise NotFoundError(f"It isn't {self._report.name!r} that serves {self._uri}.")
        self._facets = tuple(sorted(kind.__name__ for kind in store.facets()))
        self._capabilities = _names(store.capabilities)
        store.check_health()


def _names(capabilities: frozenset[Capability]) -> tuple[str, ...]:
    return tuple(sorted(map(str, capabilities)))


def _import_cost(found: Announcement | AnnouncedCommand) -> float | None:
    module = found.spec.implementation.partition(":")[0]
    costs = []
    for _ in range(3):
        finished = subprocess.run(
            [sys.executable, "-c", _IMPORT_COST, json.dumps(sys.path), module],
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            return None
        costs.append(float(finished.stdout.split()[-1]))
    return round(min(costs), 1)
