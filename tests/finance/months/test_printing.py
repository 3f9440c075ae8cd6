"""Reports of months as people see them: pages, PDFs and tables, whatever names are in them."""

import csv
import io
import re
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest
from pypdf import PdfReader

from app.errors import PrintingFailedError
from app.finance.months.printing import printer, process
from app.finance.months.printing.charts import charts
from app.finance.months.printing.layout import laid_out
from app.finance.months.printing.printer import Printer
from app.finance.months.printing.words import exactly, more, usd
from app.finance.months.report import Drift, MonthReport, MonthStatus
from app.finance.months.table import as_csv
from models.money import ZERO
from routes.administration.finance.months import policy
from tests.finance.months.made import COST, ODD_NAMES, made_up

MANY = tuple(f"model-{number}" for number in range(1_000))


DEPLOYMENT = "https://twinmeter.example"


def printed(report: MonthReport) -> bytes:
    """As the process for it prints, but in this one."""
    layout = asdict(laid_out(report, DEPLOYMENT))
    return process.pdf(layout, process.drawn(charts(report)), int(report.generated_at.timestamp()))


@pytest.fixture(scope="module")
def document() -> bytes:
    return printed(made_up())


def text_of(document: bytes) -> str:
    """What can be selected, without breaks: long names have places where they may be broken."""
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(document)).pages)
    return re.sub(r"[\s\u200b\u00ad]+", "", text)


def test_a_pdf_is_text_with_the_figures_on_pages_with_numbers(document: bytes) -> None:
    pages = PdfReader(io.BytesIO(document)).pages
    text = text_of(document)
    for said in (
        "1,234.5679",
        f"exactly{exactly(COST)}",
        "Europe/Berlin",
        "genai-prices0.2.3",
        "123.46%",
        "unheard-of",
    ):
        assert said in text
    for number, page in enumerate(pages, 1):
        of_page = page.extract_text()
        assert f"{number} / {len(pages)}" in of_page
        assert "Preview: the month is not over" in of_page
        assert (page.mediabox.width, page.mediabox.height) == pytest.approx((595.3, 841.9), abs=0.1)  # A4


def test_names_are_texts_in_a_pdf_whatever_they_hold(document: bytes) -> None:
    text = text_of(document)
    for name in ODD_NAMES:
        expected = re.sub(r"\s+", "", name)
        # how a reader orders what is written from right to left, is its own matter
        assert expected in text or expected[::-1] in text, name


def test_a_pdf_has_its_fonts_its_charts_are_vectors_and_it_is_tagged(document: bytes) -> None:
    reader = PdfReader(io.BytesIO(document))
    fonts: dict[str, Any] = {}
    for page in reader.pages:
        resources: Any = page["/Resources"]
        of_page: Any = resources.get("/Font", {})
        for each in of_page.values():
            font = each.get_object()
            fonts[font["/BaseFont"]] = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
    assert fonts
    for name, described in fonts.items():
        assert re.match(r"/[A-Z]{6}\+DejaVuSans", name), name
        assert any(file in described for file in ("/FontFile2", "/FontFile3"))
    assert [image.name for page in reader.pages for image in page.images] == []
    # the bars of three charts
    contents: list[Any] = [page.get_contents() for page in reader.pages]
    drawn = b"".join(each.get_data() for each in contents)
    assert drawn.count(b"\nf") > 31 * 8
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert reader.metadata is not None
    assert reader.metadata.title == "AI usage and cost, 2024-10, client acme"


async def test_the_same_report_is_the_same_file(document: bytes) -> None:
    assert printed(made_up()) == document
    assert await Printer(DEPLOYMENT).pdf(made_up()) == document


def test_a_character_that_no_font_has_is_a_box_and_no_failure() -> None:
    document = printed(made_up(("模型 \U0001ffff",)))
    assert PdfReader(io.BytesIO(document)).pages


def test_a_month_without_cost_has_no_empty_charts() -> None:
    report = made_up(by_model=[], by_feature=[], series=[], unpriced=[], budgets=[])
    assert charts(report) == {}
    text = text_of(printed(report))
    assert "Nocallinthismonthortheonebefore." in text
    assert "ThereisnolimitinUSDpermonth." in text


async def test_a_page_has_markup_of_ours_alone() -> None:
    of_process = Printer()
    page, style = await of_process.page(made_up())
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp; &lt;b&gt;bold&lt;/b&gt;" in page
    assert f"<style>{style}</style>" in page
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", policy(style))
    assert page.count('<img src="data:image/svg+xml;base64,') == 3
    assert page == (await of_process.page(made_up()))[0]


async def test_what_cannot_be_printed_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    report = made_up()
    with monkeypatch.context() as patch:
        patch.setattr(process, "__file__", "/nowhere.py")
        with pytest.raises(PrintingFailedError, match="this report cannot be printed"):
            await Printer().pdf(report)
    monkeypatch.setattr(printer, "SECONDS", 0.0)
    with pytest.raises(PrintingFailedError, match="not printed in time"):
        await Printer().pdf(report)


def test_of_many_models_the_dearest_are_shown_and_the_rest_is_one_row() -> None:
    report = made_up(MANY)
    (section,) = [each for each in laid_out(report).sections if each.title == "Cost by model"]
    assert len(section.rows) == 31
    rest = sum((share.cost for share in report.by_model[30:]), ZERO)
    assert section.rows[-1] == ["other (970)", "", "9,700", "970,000", usd(rest), "970,000.0000", more(rest - 970_000)]


def test_a_closed_month_says_so_and_has_no_mark() -> None:
    layout = laid_out(made_up(status=MonthStatus.OPEN))
    assert layout.mark == ""
    assert ("State", "Over, not closed: late calls and new prices still change it") in layout.facts


def test_a_table_has_every_decimal_and_nothing_that_a_spreadsheet_runs() -> None:
    report = made_up()
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    (total,) = [row for row in rows if row["section"] == "total"]
    assert Decimal(total["cost"]) == COST
    models = [row for row in rows if row["section"] == "model"]
    assert [row["name"] for row in models] == [f"'{name}" if name.startswith("=") else name for name in ODD_NAMES]
    assert {row["month"] for row in rows} == {"2024-10"}
    (left,) = [row for row in rows if row["section"] == "unexplained"]
    assert Decimal(left["amount"]) == 27


def test_a_table_has_the_ratios_and_what_has_changed_since_the_closing_in_its_parts() -> None:
    since = Drift(
        requests=3,
        cost=Decimal(5),
        late_calls=3,
        late_cost=Decimal(4),
        repriced_calls=2,
        repriced_cost=Decimal("0.5"),
        other_cost=Decimal("0.5"),
    )
    rows = list(csv.DictReader(io.StringIO(as_csv(made_up().model_copy(update={"drift": since})))))
    ratios = {row["section"]: row["amount"] for row in rows if row["section"] in {"margin percent", "return on cost"}}
    parts = [row for row in rows if row["section"] == "changed since the closing"]
    assert ratios == {"margin percent": "75.31", "return on cost": "4.05"}
    assert [(row["name"], row["requests"], row["cost"]) for row in parts] == [
        ("", "3", "5"),
        ("late calls", "3", "4"),
        ("repriced", "2", "0.5"),
        ("other", "", "0.5"),
    ]


@pytest.mark.parametrize(
    ("amount", "said", "changed"),
    [
        ("0", "0", "0"),
        ("1234.56785", "1,234.5678", "+1,234.5678"),
        ("-1234.5", "\N{MINUS SIGN}1,234.5000", "\N{MINUS SIGN}1,234.5000"),
        ("0.00000001", "< 0.0001", "< 0.0001"),
        ("-0.00000001", "> \N{MINUS SIGN}0.0001", "> \N{MINUS SIGN}0.0001"),
    ],
)
def test_amounts_say_when_they_are_rounded_away(amount: str, said: str, changed: str) -> None:
    assert (usd(Decimal(amount)), more(Decimal(amount))) == (said, changed)
