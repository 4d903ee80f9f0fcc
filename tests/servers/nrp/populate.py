"""Makes the tables, indices, vocabularies, users and communities of a new NRP repository; prints the users' tokens."""

import json
from datetime import UTC, datetime

from flask.cli import ScriptInfo
from flask_security.utils import hash_password
from invenio_access.permissions import system_identity
from invenio_accounts.proxies import current_datastore
from invenio_app.cli import cli
from invenio_app.factory import create_api
from invenio_communities.members.records.api import Member
from invenio_communities.proxies import current_communities
from invenio_db import db
from invenio_oauth2server.models import Token
from invenio_search import current_search_client
from invenio_users_resources.proxies import current_users_service

ROLES = ("admin", "administration", "administration-moderation", "reviewer")
COMMUNITIES = {
    "delphi": {"curator": "owner", "depositor": "submitter"},
    "delphi-open": {"depositor": "owner"},
}

app = create_api()
info = ScriptInfo(create_app=lambda: app, set_debug_flag=False)
for command in (
    ["db", "create"],
    ["files", "location", "create", "--default", "local", f"{app.instance_path}/data"],
    ["index", "init"],
    ["communities", "custom-fields", "init"],
    ["queues", "declare"],
    *(["roles", "create", role] for role in ROLES),
    ["rdm-records", "fixtures"],
):
    cli.main(args=command, standalone_mode=False, obj=info)


def new_user(name: str) -> tuple[int, str]:
    """Return the user's id and token."""
    user = current_datastore.create_user(
        email=f"{name}@example.org",
        username=name,
        password=hash_password("for tests on loopback"),
        active=True,
        confirmed_at=datetime.now(UTC).replace(tzinfo=None),
        user_profile={"full_name": name.capitalize()},
        preferences={"visibility": "public", "email_visibility": "public"},
    )
    db.session.commit()
    token = Token.create_personal("ferry", user.id, scopes=["user:email"], is_internal=False)
    db.session.commit()
    return user.id, token.access_token


def new_community(slug: str, members: dict[str, str]) -> None:
    """Make a community with such members by user name; only one that nobody but its owner submits to is open."""
    policies = {
        "visibility": "public",
        "member_policy": "open",
        "record_submission_policy": "open",
        "review_policy": "open" if slug == "delphi-open" else "closed",
    }
    community = current_communities.service.create(
        system_identity,
        {
            "slug": slug,
            "metadata": {"title": slug.upper()},
            "access": policies,
            "custom_fields": {"workflow": "community", "allowed_workflows": ["community"]},
        },
    )
    for name, role in members.items():
        member = Member.create(
            {}, community_id=community.id, user_id=users[name][0], role=role, visible=True, active=True
        )
        member.commit()
    db.session.commit()


with app.app_context():
    users = {name: new_user(name) for name in ("depositor", "stranger", "curator")}
    current_datastore.add_role_to_user("curator@example.org", "reviewer")
    db.session.commit()
    current_users_service.rebuild_index(system_identity)
    current_search_client.indices.refresh(index="*")
    for slug, members in COMMUNITIES.items():
        new_community(slug, members)
    current_communities.service.members.rebuild_index(system_identity)
    current_search_client.indices.refresh(index="*")
    print("TOKENS " + json.dumps({name: token for name, (_id, token) in users.items()}))
