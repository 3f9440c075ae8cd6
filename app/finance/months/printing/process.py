"""The process that draws charts and sets PDFs: its memory goes with it, and nothing of it holds up a server.

It reads one request from its input and writes the answer: JSON with an SVG for each chart, or a PDF. It runs by its
path alone, without the rest of the application, its settings and its secrets.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FONTS = HERE / "fonts"
NICER = 5
"""Servers go first."""


def drawn(charts: dict[str, Any]) -> dict[str, str]:
    """By name: the chart as SVG, whose texts are texts."""
    import vl_convert  # noqa: PLC0415 - loaded in this process alone

    vl_convert.register_font_directory(str(FONTS))
    # nothing is ever fetched
    return {name: vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]) for name, spec in charts.items()}


def pdf(layout: dict[str, Any], svgs: dict[str, str], made: int) -> bytes:
    """A tagged PDF (PDF/UA-1) with our fonts. `made`: seconds since 1970, the only time that is in it.

    Where our fonts lack a character, those of the system may have it; where nobody has, it is a box, which PDF/UA does
    not allow.
    """
    import typst  # noqa: PLC0415 - loaded in this process alone

    source = (HERE / "report.typ").read_bytes()
    data = json.dumps({"layout": layout, "charts": svgs})
    accessible: list[typst.PDFStandard] = ["ua-1"]
    for system, standards in ((False, accessible), (True, accessible), (True, [])):
        fonts = typst.Fonts(include_system_fonts=system, font_paths=[str(FONTS)])
        try:
            found = typst.compile(
                source,
                font_paths=fonts,
                format="pdf",
                sys_inputs={"data": data},
                pdf_standards=standards,
                timestamp=made,
            )
        except typst.TypstError as error:
            if not standards or "could not be displayed" not in error.message:
                raise
        else:
            return found
    raise AssertionError("unreachable: the last try returns or raises")


def main() -> int:
    os.nice(NICER)
    request = json.load(sys.stdin.buffer)
    layout = request["layout"]
    try:
        svgs = request["svgs"] | drawn(request["charts"])
        answer = json.dumps(svgs).encode() if layout is None else pdf(layout, svgs, request["made"])
    except Exception as error:  # noqa: BLE001 - whatever libraries raise: without its words, which may be of users
        sys.stderr.writelines([*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n"])
        return 1
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
