"""Settings of every Invenio that the tests start: everything on loopback, nothing sent anywhere."""

import json
import os

from flask_webpackext.manifest import JinjaManifest, JinjaManifestEntry, JinjaManifestLoader
from invenio_rdm_records.services.pids.providers.datacite import DataCiteClient

_ports = json.loads(os.environ["FERRY_PORTS"])
_redis = f"redis://127.0.0.1:{_ports['redis']}"

SECRET_KEY = "for tests on loopback"
TRUSTED_HOSTS = ["127.0.0.1"]
SITE_HOSTNAME = f"127.0.0.1:{_ports['web']}"
SITE_UI_URL = f"http://{SITE_HOSTNAME}"
SITE_API_URL = f"{SITE_UI_URL}/api"
SESSION_COOKIE_SECURE = False
APP_ENABLE_SECURE_HEADERS = False

SQLALCHEMY_DATABASE_URI = f"postgresql+psycopg2://invenio@127.0.0.1:{_ports['postgres']}/invenio"
SEARCH_HOSTS = [{"host": "127.0.0.1", "port": _ports["search"]}]
SEARCH_INDEX_PREFIX = "ferry-"
CACHE_REDIS_URL = f"{_redis}/0"
ACCOUNTS_SESSION_REDIS_URL = f"{_redis}/1"
CELERY_RESULT_BACKEND = f"{_redis}/2"
RATELIMIT_STORAGE_URI = f"{_redis}/3"
COMMUNITIES_IDENTITIES_CACHE_REDIS_URL = f"{_redis}/4"
BROKER_URL = CELERY_BROKER_URL = QUEUES_BROKER_URL = f"{_redis}/5"
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = False
MAIL_SUPPRESS_SEND = True
OAUTHCLIENT_REMOTE_APPS = {}


class _NoDataCite:
    """DOIs are made and kept as on a real site; only the registration with DataCite, which needs a network, is not."""

    def __getattr__(self, _name):
        return lambda *_args, **_kwargs: {}


DATACITE_ENABLED = True
DATACITE_USERNAME = DATACITE_PASSWORD = "none"
DATACITE_PREFIX = "10.1234"
DATACITE_TEST_MODE = True
DataCiteClient.api = property(lambda _self: _NoDataCite())


class _Manifest(JinjaManifest):
    """The pages' JavaScript is not built: its names stand in for the files."""

    def __getitem__(self, name):
        return JinjaManifestEntry(name, [name])

    __getattr__ = __getitem__


class WEBPACKEXT_MANIFEST_LOADER(JinjaManifestLoader):  # noqa: N801 - the name of the setting
    def load(self, _path):
        return _Manifest()
