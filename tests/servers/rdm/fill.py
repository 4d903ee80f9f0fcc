"""Run by InvenioRDM's own Python: makes tables, indices, vocabularies and two users in an empty database.

Usage: fill.py DATA_DIRECTORY TOKEN_FILE TOKEN_FILE
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from flask.cli import FlaskGroup
from flask_security.utils import hash_password
from invenio_accounts.proxies import current_datastore
from invenio_app.factory import create_api
from invenio_db import db
from invenio_oauth2server.models import Token

COMMANDS = (
    "db create",
    "files location create --default local {data}",
    "index init",
    "queues declare",
    "rdm-records fixtures",
)


def main(data: str, token_paths: list[str]) -> None:
    """Fill the database; write each user's token to its file."""
    app = create_api()
    group = FlaskGroup(create_app=lambda: app)
    for command in COMMANDS:
        group.main(args=command.format(data=data).split(), standalone_mode=False)
    with app.app_context():
        for number, path in enumerate(token_paths, start=1):
            user = current_datastore.create_user(
                email=f"user{number}@example.org",
                username=f"user{number}",
                password=hash_password("not used: tokens are"),
                active=True,
                confirmed_at=datetime.now(UTC).replace(tzinfo=None),
                user_profile={"full_name": f"User {number}"},
            )
            db.session.commit()
            token = Token.create_personal("tests", user.id, scopes=["user:email"])
            db.session.commit()
            Path(path).write_text(token.access_token)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
