"""Records of one's own for tests: target metadata as a person writes them, for each kind of repository."""

from typing import Any

PREFIX = "https://data.example.org/fram/"
OWN = {"metadata": {"origin": "own", "identifier_prefix": PREFIX}}
"""What the configuration says of them."""


def own_record(*, profile: str = "rdm-plain", **metadata: Any) -> dict[str, Any]:
    """Return one, with these fields besides those that each has."""
    of_ccmm1 = profile == "ccmm1"
    fields = {
        "title": "All-sky frames of the FRAM telescope, season 2024",
        "resource_type": {"id": "c_ddb1" if of_ccmm1 else "dataset"},
        "creators": [
            {"person_or_org": {"type": "personal", "family_name": "Nov\u00e1kov\u00e1", "given_name": "Jana"}},
            {"person_or_org": {"type": "organizational", "name": "FRAM"}},
        ],
        "publisher": "Institute of Physics of the Czech Academy of Sciences",
        "publication_date": "2024-11-05",
        "description": "<p>Frames of ten nights.</p>",
        "rights": [{"id": "4-BY" if of_ccmm1 else "cc-by-4.0"}],
        "languages": [{"id": "CES" if of_ccmm1 else "ces"}],
        "version": "1.2",
        "subjects": [{"subject": "atmosphere"}],
        "identifiers": [{"identifier": "10.1234/fram.2024", "scheme": "doi"}],
    }
    if not of_ccmm1:
        award = {"title": {"en": "Atmospheric monitoring"}, "number": "LM2023032"}
        fields["funding"] = [{"funder": {"name": "Ministry of Education, Youth and Sports"}, "award": award}]
        fields["references"] = [{"reference": "J. Nov\u00e1kov\u00e1: All-sky photometry. 2023."}]
    return {"metadata": {**fields, **({"experiment": {"id": "FRAM"}} if of_ccmm1 else {}), **metadata}}
