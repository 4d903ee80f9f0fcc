"""HTML of a record is readable in the target, its links lead somewhere, and what is lost is said to be."""

from typing import Any

import pytest
from mapped_records import mapped, metadata, related, told, warned

from ferry.mapping.profiles import PROFILES

PORTAL = "https://opendata.cern.ch"


def shown(text: str) -> str:
    """The description that a text becomes."""
    return str(metadata({"abstract": {"description": text}})["description"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<img src="/eos/x.png" alt="The detector">', f'<a href="{PORTAL}/eos/x.png">The detector</a>'),
        ('<img src="https://x.org/y.png">', '<a href="https://x.org/y.png">image</a>'),
        (
            '<a href="/record/1"><img src="/a.png" alt="Plot"></a>',
            f'<a href="{PORTAL}/record/1">Plot</a> (<a href="{PORTAL}/a.png">image</a>)',
        ),
        ('<iframe src="https://x.org/v" title="A talk"></iframe>', '<a href="https://x.org/v">A talk</a>'),
        (
            '<video><source src="/v.mp4"><source src="/v.webm">A film of the hall</video>',
            f'<a href="{PORTAL}/v.mp4">video</a> <a href="{PORTAL}/v.webm">video</a> A film of the hall',
        ),
        ('<video src="/v.mp4">Your browser does not support it.</video>', f'<a href="{PORTAL}/v.mp4">video</a>'),
        (
            '<iframe src="https://x.org/v">Text <b>in</b> it</iframe>',
            '<a href="https://x.org/v">embedded page</a> Text <b>in</b> it',
        ),
        ('<object data="/a.pdf">The plan</object>', f'<a href="{PORTAL}/a.pdf">embedded file</a> The plan'),
        ("Cut: pT <p and eta rest", "Cut: pT &lt;p and eta rest"),
        ("if (a<b && c>d)", "if (a&lt;b &amp;&amp; c&gt;d)"),
        ("<dl>Loose<dt>pt</dt><dd>momentum</dd></dl>", "<ul><li>Loose</li><li><b>pt</b>: momentum</li></ul>"),
        ("<dl><dt>Name:</dt><dd>x</dd></dl>", "<ul><li><b>Name</b>: x</li></ul>"),
        ("<dl>Text alone</dl>", "<ul><li>Text alone</li></ul>"),
        ('<a href="www.cern.ch">w</a>', '<a href="https://www.cern.ch">w</a>'),
        ('<a href="github.com/x/y">g</a>', '<a href="https://github.com/x/y">g</a>'),
        ('<a href="opendata.cern.ch/record/5">r</a>', f'<a href="{PORTAL}/record/5">r</a>'),
        ('<a href="10.1000/x">d</a>', '<a href="https://doi.org/10.1000/x">d</a>'),
        ("<dl><dt>pt</dt><dd>momentum</dd><dd>in GeV</dd></dl>", "<ul><li><b>pt</b>: momentum; in GeV</li></ul>"),
        (
            "<table><tr><th>Run</th><th>Events</th></tr><tr><td rowspan=2>1</td><td>7</td></tr>"
            "<tr><td>8</td></tr></table>",
            "<table><tbody><tr><td><b>Run</b></td><td><b>Events</b></td></tr><tr><td>1</td><td>7</td></tr>"
            "<tr><td>1</td><td>8</td></tr></tbody></table>",
        ),
        (
            "<table><tr><td colspan=2>Both</td></tr><tr><td>a</td><td>b</td></tr></table>",
            "<table><tbody><tr><td>Both</td><td></td></tr><tr><td>a</td><td>b</td></tr></tbody></table>",
        ),
        (
            '<a href="docs/x">a</a> <a href="../docs/y">b</a>',
            f'<a href="{PORTAL}/docs/x">a</a> <a href="{PORTAL}/docs/y">b</a>',
        ),
        ('<a href="#runs">the runs</a>', f'<a href="{PORTAL}/record/7#runs">the runs</a>'),
        ("First\n\nSecond", "<p>First</p>\n<p>Second</p>"),
        ("<del>old</del> <tt>new</tt>", "<strike>old</strike> <code>new</code>"),
    ],
)
def test_what_the_target_cannot_show_is_put_into_what_it_can(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert shown(expected) == expected
    assert not warned({"abstract": {"description": text}})


@pytest.mark.parametrize(
    ("text", "lost", "kept"),
    [
        ("<p>A<script>alert(1)</script></p>", "<script>", "<p>A</p>"),
        ('<p>A</p><svg><path d="x"/></svg>', "<svg>", "<p>A</p>"),
        ('A plot: <img src="data:image/png;base64,AAAA" alt="of mass">', "an image", "A plot: of mass"),
        (
            '<a href="root://eospublic.cern.ch//x">the file</a>',
            "the link to root",
            "the file (root://eospublic.cern.ch//x)",
        ),
        ('<a href="javascript:x()">here</a> or there', "the link to javascript", "here or there"),
        (f'<a href="javascript:{"x" * 60}">here</a>', f"the link to javascript:{'x' * 48}…", "here"),
    ],
)
def test_what_is_lost_is_not_said_to_be_mapped(text: str, lost: str, kept: str) -> None:
    result = mapped({"abstract": {"description": text}})
    assert result.record["metadata"]["description"] == kept
    (row,) = [row for row in result.mapping["paths"] if row["path"] == "abstract.description"]
    assert [each for each in row["lost"] if lost in each]
    assert lost in {each["path"]: each["message"] for each in result.warnings}["abstract.description"]


def test_a_table_that_spans_without_end_stays_small() -> None:
    assert len(shown("<table>" + "<tr><td rowspan=60000 colspan=60000>x" * 50 + "</table>")) < 1_000_000


@pytest.mark.parametrize("recid", [1399, 1443, 1666])
@pytest.mark.parametrize("profile", PROFILES)
def test_the_notes_of_real_production_steps_keep_their_links(recid: int, profile: str) -> None:
    text = told(recid, profile)
    assert f'<a href="{PORTAL}/docs/cms-mc-production-overview#finding-the-generator-parameters">' in text
    assert "&lt;a" not in text


def test_a_configuration_file_that_lies_nowhere_is_told_with_its_id_and_its_text() -> None:
    assert "<li>Production script<pre>#!/bin/bash\nsource /cvmfs/cms.cern.ch/cmsset_default.sh\n" in told(743)
    assert "<li>Configuration file; Id in the CMS configuration database: " in told(743)
    assert "<li>Configuration file DaVinci/DataType-2012.py</li>" in told(28036)
    rows = [row for row in mapped(743).mapping["paths"] if row["path"].endswith(".script")]
    assert [(row["status"], row["count"]) for row in rows] == [("mapped", 1), ("dropped", 1)]  # one has an address
    files = [{"title": "A script", "script": "if (a < b && c) {\n  x <a> y\n}"}]
    assert "<pre>if (a &lt; b &amp;&amp; c) {\n  x &lt;a&gt; y\n}</pre>" in told(
        {"methodology": {"steps": [{"configuration_files": files}]}}
    )


def test_images_of_real_records_are_links_with_their_words() -> None:
    assert f'<a href="{PORTAL}/eos/opendata/cms/software/TrackerRecHitProducerTool/production-workflow.png">' in told(
        12210
    )
    assert told(12360).count(">image</a>") == 4
    assert "<td><b>Number of events</b></td>" in told(12220)
    for recid in (12210, 12360, 12220):
        assert not [row for row in mapped(recid).mapping["paths"] if "lost" in row]


def test_links_in_descriptions_of_variables_are_kept_and_types_are_no_html() -> None:
    variables = [
        {"variable": "pt", "description": 'See <a href="/docs/pt">pt</a>', "type": "std::vector<float>"},
        {"variable": "n", "description": "1 < 2"},
    ]
    text = told({"dataset_semantics": variables})
    assert f'<li><b>pt</b>: See <a href="{PORTAL}/docs/pt">pt</a> (std::vector&lt;float&gt;)</li>' in text
    assert "<li><b>n</b>: 1 &lt; 2</li>" in text


def test_tags_in_labels_and_titles_are_not_shown() -> None:
    record: dict[str, Any] = {
        "title": "The <i>p</i><sub>T</sub> of jets & <b>more</b>",
        "usage": {"links": [{"url": "/docs/x", "description": "The <b>guide</b>"}]},
    }
    assert metadata(record)["title"] == "The pT of jets & more"
    assert f'<a href="{PORTAL}/docs/x">The guide</a>' in told(record)


@pytest.mark.parametrize("profile", PROFILES)
def test_files_that_document_variables_are_links(profile: str) -> None:
    record = {
        "dataset_semantics": [{"variable": "pt"}],
        "dataset_semantics_files": {
            "url": "/eos/opendata/x.html",
            "json": "http://opendata.cern.ch/eos/opendata/x.json",
        },
    }
    result = mapped(record, profile)
    assert result.mapping["leaves"]["unknown"] == 0
    found = {each: kind.lower() for each, kind in related(record, profile).items()}
    assert found == {f"{PORTAL}/eos/opendata/x.{form}": "isdocumentedby" for form in ("html", "json")}
    assert f'<li><a href="{PORTAL}/eos/opendata/x.json">Documentation of the variables (JSON)</a></li>' in told(
        record, profile
    )
    listed = mapped({"dataset_semantics_files": [{"url": "/a"}, {"url": "/b"}]}, profile)
    assert listed.mapping["leaves"]["unknown"] == 0


# --- readable descriptions ---


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("recid", [234, 12210, 12220, 24129, 31013, 81007])
def test_each_section_has_a_heading_of_its_own(recid: int, profile: str) -> None:
    more = metadata(recid, profile)["additional_descriptions"]
    headed = [each["description"] for each in more if each["type"]["id"] != "abstract"]
    headings = [text.partition("</h3>")[0] for text in headed]
    assert all(heading.startswith("<h3>") for heading in headings)
    assert len(set(headings)) == len(headings) > 0


def test_what_others_published_is_not_said_to_be_published_by_the_portal() -> None:
    issued = {each["description"] for each in metadata(212)["dates"] if "description" in each}
    assert issued == {"Published by International Particle Physics Outreach Group"}
    assert "Published by A university" in str(metadata({"publisher": "A university"})["dates"])
    assert "Published on the CERN Open Data portal" in str(metadata(12220)["dates"])


def test_values_with_elements_are_shown_as_the_portal_shows_them() -> None:
    text = told(
        {
            "dataset_semantics": [{"variable": "p<sub>T</sub>", "unit": "GeV/<i>c</i>"}],
            "methodology": {"steps": [{"type": "<b>RECO</b>", "release": "CMSSW<sup>5</sup>"}]},
            "system_details": {"release": "<i>v5</i>", "container_images": [{"name": "cms<sub>x</sub>"}]},
        }
    )
    for shown_so in (
        "p<sub>T</sub>",
        "GeV/<i>c</i>",
        "<b>RECO</b>",
        "CMSSW<sup>5</sup>",
        "<i>v5</i>",
        "cms<sub>x</sub>",
    ):
        assert shown_so in text


def test_where_no_element_can_be_there_is_none() -> None:
    found = metadata(
        {"keywords": ["p<sub>T</sub>"], "authors": [{"name": "Lovelace, <b>Ada</b>", "affiliation": "<i>CERN</i>"}]}
    )
    assert {"subject": "pT"} in found["subjects"]
    (creator,) = found["creators"]
    assert creator["person_or_org"]["given_name"] == "Ada"
    assert creator["affiliations"] == [{"name": "CERN"}]


def test_an_abstract_shorter_than_a_description_may_be_is_kept_behind_the_title() -> None:
    assert metadata({"abstract": {"description": "No"}})["description"] == "A title: No"


def test_the_address_of_a_system_is_a_link_and_other_words_are_kept() -> None:
    assert f'<a href="{PORTAL}/vm/cms/2011">' in told({"system_details": {"url": "/vm/cms/2011"}})
    assert "see below" in told({"system_details": {"url": "see below"}})
