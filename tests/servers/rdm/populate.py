"""Makes the tables, indices, vocabularies and two users of a new InvenioRDM; prints their tokens, one a line."""

import json
from datetime import UTC, datetime

from flask.cli import ScriptInfo
from flask_security.utils import hash_password
from invenio_accounts.proxies import current_datastore
from invenio_app.cli import cli
from invenio_app.factory import create_api
from invenio_db import db
from invenio_oauth2server.models import Token
from invenio_search import current_search_client

app = create_api()
info = ScriptInfo(create_app=lambda: app, set_debug_flag=False)
for command in (
    ["db", "create"],
    ["files", "location", "create", "--default", "local", f"{app.instance_path}/data"],
    ["index", "init"],
    ["queues", "declare"],
    ["roles", "create", "admin"],
    ["rdm-records", "fixtures"],
):
    cli.main(args=command, standalone_mode=False, obj=info)

tokens = []
with app.app_context():
    for name in ("depositor", "stranger"):
        user = current_datastore.create_user(
            email=f"{name}@example.org",
            username=name,
            password=hash_password("for tests on loopback"),
            active=True,
            confirmed_at=datetime.now(UTC).replace(tzinfo=None),
            preferences={"visibility": "public", "email_visibility": "public"},
        )
        db.session.commit()
        tokens.append(Token.create_personal("ferry", user.id, scopes=["user:email"], is_internal=False))
        db.session.commit()
    current_search_client.indices.refresh(index="*")
    print("TOKENS " + json.dumps([token.access_token for token in tokens]))
