"""What an NRP repository has of its own builds of Invenio's packages, done to the ones of PyPI.

Those builds (their versions end in +oarepo) are in a package index of their own. OARepo needs five things of them.
"""

import functools
import importlib.resources.abc
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import invenio_notifications.ext
import invenio_rdm_records.ext
import invenio_requests.ext
from flask import Flask
from invenio_base.utils import obj_or_import_string
from invenio_rdm_records.fixtures.vocabularies import PrioritizedVocabulariesFixtures
from invenio_search.ext import _SearchState
from oarepo_model.register import InMemoryLoader

# Which setting names the class that takes the place of one of the package's own.
REQUESTS = {
    "RequestsService": "REQUESTS_SERVICE_CLASS",
    "RequestsServiceConfig": "REQUESTS_SERVICE_CONFIG_CLASS",
    "RequestsResource": "REQUESTS_RESOURCE_CLASS",
    "RequestsResourceConfig": "REQUESTS_RESOURCE_CONFIG_CLASS",
}
RECORDS = {
    "RDMRecordServiceConfig": "RDM_RECORDS_SERVICE_CONFIG_CLASS",
    "RDMRecordResource": "RDM_RECORDS_RESOURCE_CLASS",
    "RDMRecordResourceConfig": "RDM_RECORDS_RESOURCE_CONFIG_CLASS",
    "RecordAccessService": "RDM_RECORDS_ACCESS_SERVICE_CLASS",
    "ReviewService": "RDM_RECORDS_REVIEW_SERVICE_CLASS",
    "CommunityRecordsService": "RDM_RECORDS_COMMUNITY_RECORDS_SERVICE_CLASS",
    "RDMCommunityRecordsConfig": "RDM_RECORDS_COMMUNITY_RECORDS_CONFIG_CLASS",
}


@functools.cache  # the settings are read for the pages and for the API, in one process
def adapt(*, base: str) -> None:
    """Change the installed packages, in this process."""
    _keep_models_on_disk(Path(os.environ["INVENIO_INSTANCE_PATH"]) / "models")
    _forgive_missing_mappings()
    _take_classes_from_settings()
    if base == "rdm":  # no CCMM in it: the vocabularies of ccmm-invenio would take the place of InvenioRDM's
        PrioritizedVocabulariesFixtures._entry_points = lambda _self: []


class _Folder(importlib.resources.abc.TraversableResources):
    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> Path:
        return self.path


def _keep_models_on_disk(folder: Path) -> None:
    """A model's schemas and mappings exist in memory only, and Invenio opens such files by their path."""

    def written(loader: InMemoryLoader, package: str) -> Path:
        for name, content in loader.namespace.get_resources().items():
            text = content if isinstance(content, str) else content.resolve()
            file = folder / name
            if file.exists() and file.read_text(encoding="utf-8") == text:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_suffix(f".{os.getpid()}")  # several processes do this at once
            unfinished.write_text(text, encoding="utf-8")
            unfinished.rename(file)
        return folder.joinpath(*package.split("."))

    plain = InMemoryLoader.exec_module

    def execute(loader: InMemoryLoader, module: ModuleType) -> None:
        plain(loader, module)
        module.__file__ = str(written(loader, loader.fullname) / "__init__.py")

    InMemoryLoader.exec_module = execute
    InMemoryLoader.get_resource_reader = lambda loader, name: _Folder(written(loader, name))


def _forgive_missing_mappings() -> None:
    """oarepo-rdm lists an alias (of OAI-PMH) for which the model has no mapping."""
    plain = _SearchState.register_mappings

    def register(state: _SearchState, alias: str, package_name: str) -> None:
        try:
            plain(state, alias, package_name)
        except FileNotFoundError:
            state.aliases.pop(alias, None)

    _SearchState.register_mappings = register


def _take_classes_from_settings() -> None:
    requests = invenio_requests.ext.InvenioRequests
    records = invenio_rdm_records.ext.InvenioRDMRecords
    notifications = invenio_notifications.ext.InvenioNotifications
    plain = (requests.init_services, records.init_services, notifications.init_manager)

    def requests_services(extension: Any, app: Flask) -> None:
        _replace(invenio_requests.ext, REQUESTS, app)
        plain[0](extension, app)

    def records_services(extension: Any, app: Flask) -> None:
        _replace(invenio_rdm_records.ext, RECORDS, app)
        invenio_rdm_records.ext.RDMRecordService = _records_service(app)
        plain[1](extension, app)

    def manager(extension: Any, app: Flask) -> None:
        app.config.setdefault("NOTIFICATIONS_MANAGER_CLS", "oarepo_requests.notifications.manager.NotificationManager")
        _replace(invenio_notifications.ext, {"NotificationManager": "NOTIFICATIONS_MANAGER_CLS"}, app)
        plain[2](extension, app)

    requests.init_services = requests_services
    records.init_services = records_services
    notifications.init_manager = manager


def _replace(module: ModuleType, classes: dict[str, str], app: Flask) -> None:
    for name, setting in classes.items():
        if setting in app.config:
            setattr(module, name, obj_or_import_string(app.config[setting]))


def _records_service(app: Flask, plain: Any = invenio_rdm_records.ext.RDMRecordService) -> Any:
    """The records' service is the one of the settings; the one of their media files, of the same name, is not."""
    chosen = obj_or_import_string(app.config["RDM_RECORDS_SERVICE_CLASS"])
    chosen_config = obj_or_import_string(app.config["RDM_RECORDS_SERVICE_CONFIG_CLASS"])
    pids = obj_or_import_string(app.config["RDM_RECORDS_PIDS_SERVICE_CLASS"])

    def make(config: Any, **services: Any) -> Any:
        of_records = isinstance(config, chosen_config) or (
            isinstance(config, type) and issubclass(config, chosen_config)
        )
        if not of_records:
            return plain(config, **services)
        services["pids_service"] = pids(config, invenio_rdm_records.ext.PIDManager)
        return chosen(config, **services)

    return make
