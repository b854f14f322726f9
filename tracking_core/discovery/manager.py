"""Which plugins there are, and which of them serves a scheme."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
import pluggy

from tracking_core.config import Settings, Uri
from tracking_core.discovery import hookspecs
from tracking_core.discovery.built_in import BUILT_INS, DISTRIBUTION
from tracking_core.discovery.hookspecs import (
    ARTIFACT_REPOSITORIES,
    BACKENDS,
    COMMANDS,
    PROJECT_NAME,
    REQUEST_AUTH,
    REQUEST_HEADERS,
    RUN_CONTEXT_TAGS,
)
from tracking_core.discovery.installable import install_command, installable_schemes
from tracking_core.discovery.specs import ArtifactRepositorySpec, BackendSpec, CommandSpec
from tracking_core.errors import (
    MissingDependencyError,
    PluginConflictError,
    PluginLoadError,
    TrackingError,
    UnknownSchemeError,
)

if TYPE_CHECKING:
    from typing import TypeGuard

    from typing_extensions import Self

S = TypeVar("S", BackendSpec, ArtifactRepositorySpec, CommandSpec)

ALL_PLUGINS = "all"
"""In `Settings.disabled_plugins`: every plugin that is found by its entry point."""

_logger = logging.getLogger(__name__)

# One for all managers, and a new one after a fork: a thread of the parent may have held it.
_lock = threading.RLock()


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A module or object that answers hooks.

    Attributes:
        name: Its entry point's name.
        origin: How it came to be known.
        target: What is imported to ask it.
        distribution: What to install, update or remove to be rid of it; empty if registered.
        version: That distribution's version.
    """

    name: str
    origin: Literal["built-in", "registered", "entry point"]
    target: str
    distribution: str = ""
    version: str = ""

    def __str__(self) -> str:
        if self.origin == "registered":
            return f"the registered plugin {self.name!r}"
        return f"the plugin {self.name!r} of {self.distribution} {self.version}".rstrip()


class Announcement(msgspec.Struct, frozen=True):
    """A spec and who announced it."""

    plugin: Plugin
    spec: BackendSpec | ArtifactRepositorySpec

    @property
    def key(self) -> tuple[Plugin, str]:
        """What tells it apart from others."""
        return (self.plugin, self.spec.name)


class AnnouncedCommand(msgspec.Struct, frozen=True):
    """A command and who announced it."""

    plugin: Plugin
    spec: CommandSpec

    @property
    def key(self) -> tuple[Plugin, str]:
        """What tells it apart from others."""
        return (self.plugin, self.spec.name)


class Registration:
    """A plugin that was registered in this process; as a context manager, until the block ends."""

    def __init__(self, manager: PluginManager, plugin: Plugin) -> None:
        self.plugin = plugin
        self._manager = manager

    def unregister(self) -> None:
        """Take the plugin out again; repeating it does nothing."""
        self._manager._forget(self.plugin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unregister()


class PluginManager:
    """The plugins of this process.

    Making one is free: nothing is imported, no entry point is read. A scheme is looked for among
    the built-in plugins first, then among those that were registered here, and only then among
    the entry points; where one of the three has it, the next isn't asked. Each plugin is loaded
    alone: one that breaks is remembered with its cause, and the others go on.

    Any thread may call. The settings are given with each call, so that clients with different
    settings can share a manager.
    """

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(PROJECT_NAME)
        self._pluggy.add_hookspecs(hookspecs)
        self._broken: dict[Plugin, BaseException] = {}
        self._loaded: dict[Plugin, str] = {}
        self._registered: list[Plugin] = []
        self._entry_points: dict[Plugin, Callable[[], object]] | None = None
        self._told: set[Plugin] = set()

    # --- registering ---

    def register(self, plugin: object, *, name: str | None = None) -> Registration:
        """Add a module or object with hooks, ahead of all entry points.

        Args:
            plugin: Has methods marked with `@hookimpl`.
            name: What to call it; its own name if None.

        Raises:
            PluginLoadError: One of its hooks doesn't fit the specification, or it is registered.
        """
        name = name or str(getattr(plugin, "__name__", None) or type(plugin).__name__)
        known = Plugin(name=name, origin="registered", target=repr(plugin))
        with _lock:
            if known in self._loaded or self._pluggy.is_registered(plugin):
                raise PluginLoadError(f"The plugin {name!r} is registered already.")
            self._add(known, plugin)
            if known in self._broken:
                cause = self._broken.pop(known)
                raise PluginLoadError(
                    f"The plugin {name!r} can't be registered: {describe(cause)}."
                ) from cause
            self._registered.append(known)
        return Registration(self, known)

    def _forget(self, plugin: Plugin) -> None:
        with _lock:
            if plugin in self._registered:
                self._registered.remove(plugin)
                self._pluggy.unregister(name=self._loaded.pop(plugin))
                # Entry points that were passed over because they name the same.
                self._loaded = {p: name for p, name in self._loaded.items() if name}

    # --- looking up ---

    def backend(self, uri: Uri, settings: Settings) -> Announcement:
        """Return what serves a tracking or registry URI.

        Raises:
            UnknownSchemeError: Nothing does.
            PluginConflictError: More than one distribution does, and none is chosen.
            PluginLoadError: The plugin of this name is broken.
        """
        return self._find(BACKENDS, uri, settings)

    def artifact_repository(self, uri: Uri, settings: Settings) -> Announcement:
        """Return what serves an artifact URI; raises what `backend` does."""
        return self._find(ARTIFACT_REPOSITORIES, uri, settings)

    def announcements(self, hook: str, settings: Settings) -> list[Announcement]:
        """Return everything that plugins announce which are neither disabled nor broken.

        Args:
            hook: `tracking_backends` or `tracking_artifact_repositories`.
            settings: Says what is disabled. A spec that is disabled by its own name is returned
                all the same.
        """
        return [a for tier in self._tiers(hook, settings) for a in self._ask(hook, tier)]

    def command(self, name: str, settings: Settings) -> AnnouncedCommand | None:
        """Return what answers to a command, or None if no plugin does.

        Raises:
            PluginConflictError: More than one plugin does.
        """
        for tier in self._tiers(COMMANDS, settings):
            claims = [a for a in self._ask_for_commands(tier) if a.spec.name == name]
            if len(claims) > 1:
                raise PluginConflictError(
                    f"The command {name!r} is claimed by {_named(claims)}; switch off all but one"
                    f" by TRACKING_DISABLED_PLUGINS={claims[0].plugin.name}."
                )
            if claims:
                return claims[0]
        return None

    def commands(self, settings: Settings) -> list[AnnouncedCommand]:
        """Return all commands that plugins announce which are neither disabled nor broken."""
        return [a for tier in self._tiers(COMMANDS, settings) for a in self._ask_for_commands(tier)]

    def run_context_tags(self, settings: Settings) -> dict[str, str]:
        """Return the tags that say where a run comes from.

        Plugins win over the built-in; of two plugins the one whose name sorts last. A plugin that
        fails is passed over, with one warning in the log.
        """
        built_in, *others = self._tiers(RUN_CONTEXT_TAGS, settings)
        tags: dict[str, str] = {}
        plugins = [plugin for tier in others for plugin in tier]
        for plugin in [*built_in, *sorted(plugins, key=lambda plugin: plugin.name)]:
            try:
                found = self._call(plugin, RUN_CONTEXT_TAGS, settings=settings)
                tags.update({} if found is None else _checked_tags(found))
            except Exception as error:
                if plugin not in self._told:
                    self._told.add(plugin)
                    _logger.warning("No run context tags from %s: %s", plugin, describe(error))
        return tags

    def request_headers(self, uri: str, settings: Settings) -> dict[str, str]:
        """Return the headers that plugins give to a request to a tracking server.

        Raises:
            PluginLoadError: A plugin failed, or gave something else; a request without its header
                would go out as somebody else's.
        """
        headers: dict[str, str] = {}
        for plugin in self._others(settings):
            found = self._asked(plugin, REQUEST_HEADERS, uri, settings)
            if found is None:
                continue
            if not _is_text_by_key(found):
                raise PluginLoadError(
                    f"{_capitalized(plugin)} gives request headers that are no strings by name."
                )
            headers.update(found)
        return headers

    def request_auth(self, uri: str, settings: Settings) -> object | None:
        """Return what signs the requests to a tracking server; None: no plugin does.

        Raises:
            PluginLoadError: A plugin failed, or the setting `http_auth` names one that isn't there
                or signs nothing.
        """
        wanted = settings.http_auth
        others = self._others(settings)
        for plugin in others:
            if wanted is None or wanted in (plugin.name, plugin.distribution):
                found = self._asked(plugin, REQUEST_AUTH, uri, settings)
                if found is not None:
                    return found
        if wanted is not None:
            names = ", ".join(plugin.name for plugin in others) or "none"
            raise PluginLoadError(
                f"The setting http_auth names {wanted!r}, but no plugin of this name signs requests"
                f" to {uri}; installed are: {names}."
            )
        return None

    def _others(self, settings: Settings) -> list[Plugin]:
        """Return the plugins that aren't built in, in order of their names."""
        _, *others = self._tiers(REQUEST_HEADERS, settings)
        return sorted((p for tier in others for p in tier), key=lambda plugin: plugin.name)

    def _asked(self, plugin: Plugin, hook: str, uri: str, settings: Settings) -> object:
        try:
            return self._call(plugin, hook, uri=uri, settings=settings)
        except TrackingError:
            raise
        except Exception as error:
            raise PluginLoadError(
                f"{_capitalized(plugin)} failed to answer {hook}: {describe(error)}."
            ) from error

    def plugins(self, settings: Settings) -> list[Plugin]:
        """Return all plugins that are there, loaded as far as they can be; disabled ones aren't."""
        with _lock:
            known = {plugin: None for hook in BUILT_INS for plugin in self._built_in(hook)}
            found = [*known, *self._registered, *self._scanned()]
        for plugin in found:
            if not is_disabled(plugin, settings):
                self._load(plugin)
        return found

    def broken(self, settings: Settings) -> dict[Plugin, BaseException]:
        """Return the plugins that are known to be broken, and what broke them."""
        return {
            plugin: cause
            for plugin, cause in list(self._broken.items())
            if not is_disabled(plugin, settings)
        }

    def cause(self, plugin: Plugin) -> BaseException | None:
        """Return what broke a plugin, or None if it isn't known to be broken."""
        return self._broken.get(plugin)

    def unknown_hooks(self, plugin: Plugin) -> list[str]:
        """Return the hooks of a loaded plugin that this version doesn't know, and never calls."""
        loaded = self._pluggy.get_plugin(self._loaded.get(plugin, ""))
        callers = self._pluggy.get_hookcallers(loaded) if loaded is not None else None
        return sorted(caller.name for caller in callers or () if not caller.has_spec())

    # --- finding ---

    def _tiers(self, hook: str, settings: Settings) -> Iterator[list[Plugin]]:
        """Yield the plugins that are to be asked, loaded, each tier only when it is come to."""

        def loaded(plugins: Iterable[Plugin]) -> list[Plugin]:
            return [p for p in plugins if not is_disabled(p, settings) and self._load(p)]

        yield loaded(self._built_in(hook))
        yield loaded(list(self._registered))
        yield loaded(self._scanned())

    def _find(self, hook: str, uri: Uri, settings: Settings) -> Announcement:
        # `postgresql+psycopg` names a driver, which is the business of who serves `postgresql`.
        for scheme in dict.fromkeys((uri.scheme, uri.scheme.partition("+")[0])):
            for tier in self._tiers(hook, settings):
                claims = [
                    a
                    for a in self._ask(hook, tier)
                    if scheme in a.spec.schemes and a.spec.name not in settings.disabled_plugins
                ]
                if claims:
                    return self._choose(scheme, claims, settings)
        raise self._unknown(hook, uri, settings)

    def _choose(
        self, scheme: str, claims: Sequence[Announcement], settings: Settings
    ) -> Announcement:
        owner = settings.scheme_owners.get(scheme)
        if owner is not None:
            chosen = [a for a in claims if _normalized(owner) == _normalized(_owner(a.plugin))]
            if not chosen:
                raise PluginConflictError(
                    f"The setting scheme_owners gives {scheme!r} to {owner!r}, which doesn't serve"
                    f" it here; it is served by {_named(claims)}."
                )
            claims = chosen
        if len(claims) > 1:
            owners = sorted({_owner(a.plugin) for a in claims})
            if len(owners) == 1:
                raise PluginConflictError(
                    f"{_named(claims)} all claim the scheme {scheme!r}; switch off all but one by"
                    f" TRACKING_DISABLED_PLUGINS={claims[0].spec.name}."
                )
            raise PluginConflictError(
                f"The scheme {scheme!r} is claimed by {_named(claims)}; choose one by"
                f" TRACKING_SCHEME_OWNERS={scheme}={owners[0]} or {scheme}={owners[-1]}."
            )
        return claims[0]

    def _unknown(self, hook: str, uri: Uri, settings: Settings) -> TrackingError:
        scheme = uri.scheme
        broken = self.broken(settings)
        for plugin, cause in broken.items():
            if plugin.name == scheme:
                return load_error(plugin, cause)
        everyone = (*self._built_in(hook), *self._registered, *self._scanned())
        off = {p.name for p in everyone if is_disabled(p, settings)}
        known: set[str] = set()
        for announced in self.announcements(hook, settings):
            if announced.spec.name in settings.disabled_plugins:
                off.add(announced.spec.name)
            else:
                known.update(announced.spec.schemes)
        what = "a backend store" if hook == BACKENDS else "an artifact repository"
        parts = [f"No plugin serves the scheme {scheme!r} of {uri} as {what}"]
        parts.append(f"; known are {', '.join(sorted(known)) or 'none'}.")
        install = install_command(hook, scheme.partition("+")[0])
        nearest = difflib.get_close_matches(scheme, sorted(known | installable_schemes(hook)), n=1)
        if install is not None:
            parts.append(f" Install it: {install}.")
        elif nearest:
            there = "" if nearest[0] in known else f" ({install_command(hook, nearest[0])})"
            parts.append(f" Did you mean {nearest[0]!r}{there}?")
        if "://" not in uri.text:
            parts.append(_instead_of_a_colon(uri))
        if broken:
            parts.append(f" {without_a_say(broken)}")
        if off:
            parts.append(f" Switched off: {', '.join(sorted(off))}.")
        return UnknownSchemeError("".join(parts))

    # --- asking ---

    def _ask(self, hook: str, plugins: Sequence[Plugin]) -> Iterator[Announcement]:
        for plugin in plugins:
            try:
                specs = _checked_stores(hook, self._call(plugin, hook))
            except Exception as error:
                self._broken.setdefault(plugin, error)
                continue
            yield from (Announcement(plugin, spec) for spec in specs)

    def _ask_for_commands(self, plugins: Sequence[Plugin]) -> Iterator[AnnouncedCommand]:
        for plugin in plugins:
            try:
                specs = _checked_specs(COMMANDS, CommandSpec, self._call(plugin, COMMANDS))
            except Exception as error:
                self._broken.setdefault(plugin, error)
                continue
            yield from (AnnouncedCommand(plugin, spec) for spec in specs)

    def _call(self, plugin: Plugin, hook: str, **arguments: object) -> object:
        """Call one plugin's implementation: pluggy's own call stops at the first that raises."""
        for implementation in getattr(self._pluggy.hook, hook).get_hookimpls():
            if implementation.plugin_name == self._loaded.get(plugin):
                given = [arguments[name] for name in implementation.argnames]
                return implementation.function(*given)
        return None

    # --- loading ---

    def _built_in(self, hook: str) -> list[Plugin]:
        return [
            Plugin(
                name=name,
                origin="built-in",
                target=module,
                distribution=DISTRIBUTION,
            )
            for name, module in BUILT_INS[hook]
        ]

    def _scanned(self) -> Mapping[Plugin, Callable[[], object]]:
        if self._entry_points is None:
            # Local, because it is slow to import and the built-in plugins do without.
            from importlib import metadata

            with _lock:
                found: dict[Plugin, Callable[[], object]] = {}
                built_in = {module for modules in BUILT_INS.values() for _, module in modules}
                for point in metadata.entry_points(group=PROJECT_NAME):
                    if point.value in built_in:
                        continue
                    plugin = Plugin(
                        name=point.name,
                        origin="entry point",
                        target=point.value,
                        distribution=point.dist.name if point.dist else "an unknown distribution",
                        version=point.dist.version if point.dist else "",
                    )
                    found.setdefault(plugin, point.load)
                if self._entry_points is None:
                    self._entry_points = dict(
                        sorted(found.items(), key=lambda item: (item[0].name, item[0].distribution))
                    )
        return self._entry_points

    def _load(self, plugin: Plugin) -> bool:
        """Import a plugin once, and tell whether it can be asked."""
        if plugin in self._loaded:
            return True
        with _lock:
            if plugin not in self._loaded and plugin not in self._broken:
                try:
                    if plugin.origin == "built-in":
                        module: object = importlib.import_module(plugin.target)
                    else:
                        module = self._scanned()[plugin]()
                # A module that calls sys.exit must not take the process with it.
                except (Exception, SystemExit) as error:
                    self._broken[plugin] = error
                else:
                    self._add(plugin, module)
            return plugin in self._loaded

    def _add(self, plugin: Plugin, module: object) -> None:
        name = f"{plugin.origin}:{plugin.distribution}:{plugin.name}"
        if self._pluggy.is_registered(module):
            # Two entry points for the same thing, which is asked once, under its first name.
            self._loaded[plugin] = ""
            return
        try:
            self._pluggy.register(module, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self._broken[plugin] = error
        else:
            self._loaded[plugin] = name


def is_disabled(plugin: Plugin, settings: Settings) -> bool:
    """Tell whether a plugin isn't looked at: by its name, its distribution's, or with all."""
    off = settings.disabled_plugins
    if not off:
        return False
    if plugin.origin == "entry point" and ALL_PLUGINS in off:
        return True
    if plugin.origin == "built-in":
        return plugin.name in off
    return plugin.name in off or _normalized(plugin.distribution) in map(_normalized, off)


def describe(error: BaseException) -> str:
    """Return what broke, in one line without a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return text if isinstance(error, TrackingError) else f"{type(error).__name__}: {text}"


def without_a_say(broken: Mapping[Plugin, BaseException]) -> str:
    """Return the sentence on plugins that could not be asked."""
    listed = "; ".join(f"{plugin}: {describe(cause)}" for plugin, cause in broken.items())
    return f"Broken, and so without a say: {listed}."


def load_error(plugin: Plugin, cause: BaseException, *, install: str = "") -> TrackingError:
    """Return the error for a plugin whose import failed, `cause` chained to it."""
    own = {plugin.target.partition(":")[0].partition(".")[0], PROJECT_NAME}
    missing = (getattr(cause, "name", None) or "").partition(".")[0]
    error: TrackingError
    if isinstance(cause, ModuleNotFoundError) and missing and missing not in own:
        install = install or f"pip install {missing}"
        error = MissingDependencyError(
            f"{_capitalized(plugin)} needs {missing!r}, which isn't installed; install it:"
            f" {install}."
        )
    else:
        error = PluginLoadError(
            f"{_capitalized(plugin)} is installed but can't be imported: {describe(cause)}."
        )
    error.__cause__ = cause
    return error


_default: PluginManager | None = None


def default_manager() -> PluginManager:
    """Return the manager that everyone uses who brings none, made when first asked for."""
    global _default
    if _default is None:
        with _lock:
            if _default is None:
                _default = PluginManager()
    return _default


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def _capitalized(plugin: Plugin) -> str:
    text = str(plugin)
    return text[0].upper() + text[1:]


def _checked_specs(hook: str, kind: type[S], found: object) -> Sequence[S]:
    specs = [] if found is None else found
    if not isinstance(specs, (list, tuple)) or not all(isinstance(s, kind) for s in specs):
        raise PluginLoadError(f"{hook} returned {specs!r} instead of a list of {kind.__name__}.")
    return specs


def _checked_stores(hook: str, found: object) -> Sequence[BackendSpec | ArtifactRepositorySpec]:
    specs: Sequence[BackendSpec | ArtifactRepositorySpec]
    if hook == BACKENDS:
        specs = _checked_specs(hook, BackendSpec, found)
    else:
        specs = _checked_specs(hook, ArtifactRepositorySpec, found)
    for spec in specs:
        for scheme in spec.schemes:
            if scheme != scheme.lower():
                raise PluginLoadError(f"{hook} announces {scheme!r}; a scheme is in lower case.")
    return specs


def _checked_tags(found: object) -> Mapping[str, str]:
    if not _is_text_by_key(found):
        raise PluginLoadError(f"{RUN_CONTEXT_TAGS} returned {found!r} instead of strings by key.")
    return found


def _is_text_by_key(found: object) -> TypeGuard[Mapping[str, str]]:
    return isinstance(found, Mapping) and all(
        isinstance(text, str) for item in found.items() for text in item
    )


def _instead_of_a_colon(uri: Uri) -> str:
    _, _, rest = uri.text.partition(":")
    server = rest.split("/", 1)[0].isdigit()
    return f" A directory of this name is ./{uri}{f', a server http://{uri}' if server else ''}."


def _named(claims: Sequence[Announcement | AnnouncedCommand]) -> str:
    return " and ".join(sorted(str(a.plugin) for a in claims))


def _normalized(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")


def _owner(plugin: Plugin) -> str:
    return plugin.distribution or plugin.name
