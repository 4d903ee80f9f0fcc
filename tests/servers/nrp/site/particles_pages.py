"""Addresses of the model's pages: the links in the answers name them. The pages are empty."""

from flask import Blueprint, Flask

_ONE = "/records/<pid_value>"
_UPLOAD = "/uploads/<pid_value>"
PAGES = {
    "search": "/",
    "record_detail": _ONE,
    "record_latest": f"{_ONE}/latest",
    "record_export": f"{_ONE}/export/<export_format>",
    "record_from_pid": "/<any(doi):pid_scheme>/<path:pid_value>",
    "published_file_preview": f"{_ONE}/files/<path:filepath>/preview",
    "deposit_create": "/uploads/new",
    "deposit_edit": _UPLOAD,
    "draft_file_preview": f"{_UPLOAD}/files/<path:filepath>/preview",
}


def blueprint(_app: Flask) -> Blueprint:
    """Return the addresses."""
    pages = Blueprint("particles_ui", __name__, url_prefix="/particles")
    for endpoint, address in PAGES.items():
        pages.add_url_rule(address, endpoint, lambda **_parts: "")
    return pages
