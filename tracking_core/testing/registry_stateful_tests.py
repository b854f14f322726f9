"""Any sequence of calls of the registry, answered as by a plain model of dicts."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tracking_core.entities import ModelVersionStage, ModelVersionStatus
from tracking_core.errors import AlreadyExistsError, NotFoundError, TrackingError
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import (
    BackendStore,
    Capability,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core.testing.registry_process_tests import RegistryStoreTests
from tracking_core.testing.store_tests import fresh_name

NAMES = st.sampled_from(["one", "two", "größe 3"])
KEYS = st.sampled_from(["a", "a/b", "c d"])
TEXTS = st.sampled_from(["", "1", "line 1\nline 2", "größe"])
ALIASES = st.sampled_from(["best", "Best", "other"])
NUMBERS = st.integers(1, 5)
STAGES = st.sampled_from(list(ModelVersionStage))
TAGS = st.dictionaries(KEYS, TEXTS, max_size=2)
ARCHIVABLE = (ModelVersionStage.STAGING, ModelVersionStage.PRODUCTION)


@dataclass
class ModelOfVersion:
    """What the model knows of a version."""

    source: str
    description: str
    tags: dict[str, str]
    stage: ModelVersionStage = ModelVersionStage.NONE
    status: ModelVersionStatus = ModelVersionStatus.READY


@dataclass
class ModelOfModel:
    """What the model knows of a registered model."""

    description: str
    tags: dict[str, str]
    aliases: dict[str, int] = field(default_factory=dict)
    versions: dict[int, ModelOfVersion] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    keys: dict[str, int] = field(default_factory=dict)


class RegistryStatefulTests(RegistryStoreTests):
    """The whole of ModelRegistryStore, in sequences that nobody thought of."""

    registry_stateful_settings = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    """How long to try; a slow store may ask for fewer examples."""

    def test_any_sequence_of_calls_of_the_registry_is_answered_as_by_a_plain_model(
        self, store: BackendStore
    ) -> None:
        class Machine(RegistryMachine):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Machine, settings=self.registry_stateful_settings)


class RegistryMachine(RuleBasedStateMachine):
    """Calls of a registry beside the same of the model; each answer and error must agree."""

    def __init__(self, store: BackendStore) -> None:
        super().__init__()
        self.store = store
        self.registry = store.registry
        self.models: dict[str, ModelOfModel] = {}
        # Other examples left theirs in the same store.
        self.prefix = fresh_name("machine")

    def full(self, name: str) -> str:
        """Return the name in the store."""
        return f"{self.prefix} {name}"

    def fails(self, errors: Set[type[TrackingError]], call: Any, *args: Any, **named: Any) -> bool:
        """Make a call and tell whether it failed, which it must with one of these, if any."""
        if not errors:
            call(*args, **named)
            return False
        with pytest.raises(tuple(errors)) as caught:
            call(*args, **named)
        assert str(caught.value)
        return True

    # --- registered models ---

    @rule(name=NAMES, description=TEXTS, tags=TAGS)
    def create_model(self, name: str, description: str, tags: dict[str, str]) -> None:
        """Register a name, which may be taken."""
        new = NewRegisteredModel(name=self.full(name), description=description, tags=tags)
        errors = {AlreadyExistsError} if name in self.models else set()
        if not self.fails(errors, self.registry.create_registered_model, new):
            self.models[name] = ModelOfModel(description, dict(tags))

    @rule(
        name=NAMES,
        new_name=st.none() | NAMES,
        description=st.none() | TEXTS,
        set_tags=TAGS,
        delete_tags=st.sets(KEYS, max_size=1),
        set_aliases=st.dictionaries(ALIASES, NUMBERS, max_size=2),
        delete_aliases=st.sets(ALIASES, max_size=1),
    )
    def change_model(
        self,
        name: str,
        new_name: str | None,
        description: str | None,
        set_tags: dict[str, str],
        delete_tags: set[str],
        set_aliases: dict[str, int],
        delete_aliases: set[str],
    ) -> None:
        """Change a model in any of the ways at once."""
        delete_tags -= set_tags.keys()
        delete_aliases -= set_aliases.keys()
        given: dict[str, Any] = {}
        if new_name is not None:
            given["name"] = self.full(new_name)
        if description is not None:
            given["description"] = description
        changes = RegisteredModelChanges(
            set_tags=set_tags,
            delete_tags=tuple(delete_tags),
            set_aliases=set_aliases,
            delete_aliases=tuple(delete_aliases),
            **given,
        )
        known = self.models.get(name)
        errors: set[type[TrackingError]] = set()
        if known is None:
            errors.add(NotFoundError)
        else:
            if delete_tags - known.tags.keys() or delete_aliases - known.aliases.keys():
                errors.add(NotFoundError)
            if set(set_aliases.values()) - known.versions.keys():
                errors.add(NotFoundError)
            if new_name is not None and new_name != name and new_name in self.models:
                errors.add(AlreadyExistsError)
        if self.fails(
            errors, self.registry.update_registered_model, self.full(name), changes=changes
        ):
            return
        assert known is not None
        known.description = known.description if description is None else description
        known.tags = {k: v for k, v in {**known.tags, **set_tags}.items() if k not in delete_tags}
        known.aliases = {
            k: v for k, v in {**known.aliases, **set_aliases}.items() if k not in delete_aliases
        }
        self.models[new_name or name] = self.models.pop(name)

    @rule(name=NAMES)
    def delete_model(self, name: str) -> None:
        """Delete a model, which may not be there."""
        errors = set() if name in self.models else {NotFoundError}
        if not self.fails(errors, self.registry.delete_registered_model, self.full(name)):
            del self.models[name]

    # --- versions ---

    @rule(
        name=NAMES,
        source=TEXTS.filter(bool),
        description=TEXTS,
        tags=TAGS,
        chosen=st.none() | st.none() | NUMBERS,
        key=st.none() | st.none() | st.sampled_from(["k1", "k2"]),
    )
    def create_version(
        self,
        name: str,
        source: str,
        description: str,
        tags: dict[str, str],
        chosen: int | None,
        key: str | None,
    ) -> None:
        """Add a version, with a number or a key that may have been used."""
        if Capability.CHOSEN_IDS not in self.store.capabilities or key is not None:
            chosen = None
        if Capability.IDEMPOTENCY_KEYS not in self.store.capabilities:
            key = None
        new = NewModelVersion(
            name=self.full(name),
            source=source,
            description=description,
            tags=tags,
            version=chosen,
            idempotency_key=key,
        )
        known = self.models.get(name)
        errors: set[type[TrackingError]] = set()
        if known is None:
            errors.add(NotFoundError)
        elif key in known.keys:
            if known.keys[key] not in known.versions:
                errors.add(NotFoundError)
        elif chosen in known.used:
            errors.add(AlreadyExistsError)
        if errors:
            self.fails(errors, self.registry.create_model_version, new)
            return
        assert known is not None
        made = self.registry.create_model_version(new)
        if key in known.keys:
            assert made.version == known.keys[key]
            return
        assert made.version == (chosen or max(known.used, default=0) + 1)
        known.used.add(made.version)
        known.versions[made.version] = ModelOfVersion(source, description, dict(tags))
        if key is not None:
            known.keys[key] = made.version

    @rule(
        name=NAMES,
        number=NUMBERS,
        description=st.none() | TEXTS,
        status=st.none() | st.sampled_from(list(ModelVersionStatus)),
        set_tags=TAGS,
        delete_tags=st.sets(KEYS, max_size=1),
    )
    def change_version(
        self,
        name: str,
        number: int,
        description: str | None,
        status: ModelVersionStatus | None,
        set_tags: dict[str, str],
        delete_tags: set[str],
    ) -> None:
        """Change a version, which may not be there."""
        delete_tags -= set_tags.keys()
        given: dict[str, Any] = {"set_tags": set_tags, "delete_tags": tuple(delete_tags)}
        if description is not None:
            given["description"] = description
        if status is not None:
            given["status"] = status
        known = self.find(name, number)
        missing = known is None or delete_tags - known.tags.keys()
        if self.fails(
            {NotFoundError} if missing else set(),
            self.registry.update_model_version,
            self.full(name),
            version=number,
            changes=ModelVersionChanges(**given),
        ):
            return
        assert known is not None
        known.description = known.description if description is None else description
        known.status = known.status if status is None else status
        known.tags = {k: v for k, v in {**known.tags, **set_tags}.items() if k not in delete_tags}

    @rule(name=NAMES, number=NUMBERS, stage=STAGES, archive=st.booleans())
    def stage_version(
        self, name: str, number: int, stage: ModelVersionStage, archive: bool
    ) -> None:
        """Move a version to a stage, and perhaps others out of it."""
        archive = archive and stage in ARCHIVABLE
        known = self.find(name, number)
        changes = ModelVersionChanges(current_stage=stage, archive_existing_versions=archive)
        if self.fails(
            set() if known else {NotFoundError},
            self.registry.update_model_version,
            self.full(name),
            version=number,
            changes=changes,
        ):
            return
        for other in self.models[name].versions.values() if archive else ():
            if other.stage is stage:
                other.stage = ModelVersionStage.ARCHIVED
        assert known is not None
        known.stage = stage

    @rule(name=NAMES, number=NUMBERS)
    def delete_version(self, name: str, number: int) -> None:
        """Delete a version, which may not be there."""
        errors = set() if self.find(name, number) else {NotFoundError}
        call = self.registry.delete_model_version
        if not self.fails(errors, call, self.full(name), version=number):
            known = self.models[name]
            del known.versions[number]
            known.aliases = {a: n for a, n in known.aliases.items() if n != number}

    def find(self, name: str, number: int) -> ModelOfVersion | None:
        """Return the model of a version, if it is there."""
        return self.models[name].versions.get(number) if name in self.models else None

    # --- reading ---

    @rule()
    def compare(self) -> None:
        """Compare all that can be read."""
        mine = f"name LIKE '{self.prefix} %'"
        models = RegisteredModelQuery(
            filter=parse_filter(mine, Subject.REGISTERED_MODELS), max_results=2
        )
        found = {each.name: each for each in self.registry.iterate_registered_models(models)}
        assert list(found) == sorted(map(self.full, self.models))
        query = ModelVersionQuery(filter=parse_filter(mine, Subject.MODEL_VERSIONS), max_results=2)
        versions = list(self.registry.iterate_model_versions(query))
        assert sorted((each.name, each.version) for each in versions) == sorted(
            (self.full(name), number)
            for name, known in self.models.items()
            for number in known.versions
        )
        for each in versions:
            assert self.registry.get_model_version(each.name, version=each.version) == each
            self.compare_version(each)
        for name, known in self.models.items():
            model = self.registry.get_registered_model(self.full(name))
            assert model == found[model.name]
            assert (model.description, model.tags) == (known.description, known.tags)
            assert model.aliases == known.aliases
            newest = {known.versions[n].stage: n for n in sorted(known.versions)}
            assert [v.version for v in model.latest_versions] == sorted(newest.values())
            assert all(latest in versions for latest in model.latest_versions)
            for alias, number in known.aliases.items():
                aliased = self.registry.get_model_version_by_alias(model.name, alias=alias)
                assert aliased.version == number

    def compare_version(self, version: Any) -> None:
        """Compare one version."""
        model = self.models[version.name[len(self.prefix) + 1 :]]
        known = model.versions[version.version]
        assert (version.source, version.description) == (known.source, known.description)
        assert (version.tags, version.current_stage) == (known.tags, known.stage)
        assert version.status is known.status
        aliases = sorted(a for a, n in model.aliases.items() if n == version.version)
        assert list(version.aliases) == aliases

    def teardown(self) -> None:
        """Compare once more at the end."""
        self.compare()
