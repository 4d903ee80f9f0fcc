"""What each kind of repository does otherwise than the others, in one place; all else is asked of all of them alike."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Words:
    """Ids in the vocabularies that the tests use."""

    dataset: str = "dataset"
    english: str = "eng"
    cc0: str = "cc0-1.0"
    documented_by: str = "isdocumentedby"
    created: str = "created"
    distributor: str = "distributor"

    @property
    def known(self) -> tuple[str, ...]:
        """Addresses below /api/vocabularies of terms that are there."""
        return (
            f"resourcetypes/{self.dataset}",
            f"licenses/{self.cc0}",
            f"languages/{self.english}",
            f"relationtypes/{self.documented_by}",
        )


@dataclass(frozen=True)
class Flavour:
    """One kind of repository. The defaults are InvenioRDM 13's."""

    name: str
    words: Words = field(default_factory=Words)
    generator: str = "InvenioRDM 13"
    """What the first page says that it is made by."""
    model: str = "records"
    """What drafts belong to: the links of records and drafts lead below /api/<model>, those of files do not."""
    requests_per_minute: int = 500
    """With a token; the pages count everybody as a guest, who has 500."""
    over_quota: int = 400
    """Status of a PUT that announces more than a record may hold."""
    unusable_keys: frozenset[int] = frozenset({308, 400, 404})
    """Statuses of a PUT to a key whose address is no file's."""
    new_version_is_dated: bool = False
    """Whether the draft of a new version has a publication date: today's."""
    external_dois: bool = True
    """Whether a DOI of somebody else's is taken as the record's own."""
    unchecked: frozenset[str] = frozenset()
    """Fields in which a text may be too short, or a list empty, without a word."""
    lacks: frozenset[str] = frozenset()
    """Fields of metadata that it does not have."""
    intervals: frozenset[str] = frozenset({"publication_date", "dates"})
    """Where a date may be an interval. In `publication_date` another one is objected to; in `dates` it is a server
    error, and what was sent is stored all the same and never found by a search."""
    finds_longer_identifiers: bool = True
    """Whether a search for an identifier finds those that begin with it."""
    public_search_takes_addresses: bool = True
    """Whether a search of all published records may hold an address; else it finds nothing."""
    anybody_makes_communities: bool = True

    @property
    def is_nrp(self) -> bool:
        """Whether it has models, and workflows that say how a record of them is published."""
        return self.model != "records"


RDM_13 = Flavour("rdm-13")
RDM_14 = replace(
    RDM_13,
    name="rdm-14",
    generator="InvenioRDM 14",
    requests_per_minute=1000,
    over_quota=413,
    new_version_is_dated=True,
)
CCMM1 = replace(
    RDM_13,
    name="nrp-ccmm1",
    words=Words(
        dataset="c_ddb1",
        english="ENG",
        cc0="CC0-1.0",
        documented_by="IsDocumentedBy",
        created="Created",
        distributor="Distributor",
    ),
    generator="InvenioRDM 14",
    model="particles",
    unusable_keys=RDM_13.unusable_keys | {415},
    new_version_is_dated=True,
    external_dois=False,
    unchecked=frozenset({"metadata.title", "metadata.creators", "metadata.description"}),
    lacks=frozenset({"sizes", "formats"}),
    intervals=frozenset(),
    finds_longer_identifiers=False,
    public_search_takes_addresses=False,
    anybody_makes_communities=False,
)
CCMM2 = replace(CCMM1, name="nrp-ccmm2", words=Words(), intervals=frozenset({"dates"}))
NRP_ON_RDM = replace(CCMM1, name="nrp-rdm", words=Words())
NRP_FLAVOURS = {"ccmm1": CCMM1, "ccmm2": CCMM2, "rdm": NRP_ON_RDM}
