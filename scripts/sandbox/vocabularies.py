"""The vocabularies that the sandbox knows: what a DELPHI record can need, of those that InvenioRDM 13 installs."""


def _terms(text: str) -> frozenset[str]:
    return frozenset(text.split())


VOCABULARIES: dict[str, frozenset[str]] = {
    "resourcetypes": _terms(
        "publication publication-annotationcollection publication-book publication-section"
        " publication-conferencepaper publication-datamanagementplan publication-article publication-preprint"
        " publication-report publication-softwaredocumentation publication-technicalnote publication-thesis"
        " publication-workingpaper publication-datapaper publication-standard publication-other"
        " poster presentation event dataset image image-figure image-plot image-diagram image-photo image-other"
        " model video audio software software-computationalnotebook lesson physicalobject workflow other"
    ),
    "datetypes": _terms(
        "accepted available collected copyrighted created issued other submitted updated valid withdrawn"
    ),
    "descriptiontypes": frozenset(
        ["abstract", "methods", "series-information", "table-of-contents", "technical-info", "other"]
    ),
    "titletypes": frozenset(["alternative-title", "subtitle", "translated-title", "other"]),
    "relationtypes": _terms(
        "iscitedby cites issupplementto issupplementedby iscontinuedby continues isdescribedby describes hasmetadata"
        " ismetadatafor hasversion isversionof isnewversionof ispreviousversionof ispartof haspart ispublishedin"
        " isreferencedby references isdocumentedby documents iscompiledby compiles isvariantformof isoriginalformof"
        " isidenticalto isreviewedby reviews isderivedfrom issourceof isrequiredby requires isobsoletedby"
        " obsoletes"
    ),
    "creatorsroles": _terms(
        "contactperson datacollector datacurator datamanager distributor editor hostinginstitution producer"
        " projectleader projectmanager projectmember registrationagency registrationauthority relatedperson researcher"
        " researchgroup rightsholder sponsor supervisor workpackageleader other"
    ),
    "licenses": _terms(
        "0bsd agpl-3.0-only agpl-3.0-or-later apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsl-1.0 cc-by-1.0"
        " cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-4.0 cc-by-nc-nd-4.0 cc-by-nc-sa-4.0 cc-by-nd-4.0"
        " cc-by-sa-3.0 cc-by-sa-4.0 cc-pddc cc0-1.0 epl-2.0 eupl-1.2 gpl-2.0-only gpl-2.0-or-later gpl-3.0-only"
        " gpl-3.0-or-later isc lgpl-2.1-only lgpl-2.1-or-later lgpl-3.0-only lgpl-3.0-or-later mit mpl-2.0"
        " odbl-1.0 odc-by-1.0 ofl-1.1 pddl-1.0 unlicense wtfpl zlib"
    ),
    "languages": _terms("ces deu eng fra ita slk spa swe"),
    "subjects": frozenset(),
    "affiliations": frozenset(),
    "names": frozenset(),
    "funders": frozenset(),
    "awards": frozenset(),
    "removalreasons": frozenset(["duplicate", "retracted", "replaced", "spam", "test-record", "out-of-scope"]),
}
VOCABULARIES["contributorsroles"] = VOCABULARIES["creatorsroles"]
