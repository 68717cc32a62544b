"""Records as people read them on paper: A4 pages with numbers, headings and tables, in a font that has Japanese."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fpdf import FPDF
from fpdf.errors import FPDFException
from fpdf.fonts import FontFace, TTFFont

MEDIA_TYPE = "application/pdf"
BODY = 8  # points
ROOM = 30  # mm: a heading, a table's head and its first row
HEAD = FontFace(fill_color=(230, 230, 230))


class FontMissing(Exception):
    """KOJO_MES_PDF_FONT is not a font that this can write with."""


def use_font(pdf: FPDF, font: Path) -> None:
    """As "plant". FontMissing."""
    if not font.is_file():
        raise FontMissing(
            f"KOJO_MES_PDF_FONT: {font} is missing; install fonts-ipafont-gothic, or name a TrueType font"
        )
    try:
        pdf.add_font("plant", fname=font)
    except (FPDFException, ValueError, KeyError, OSError) as error:
        raise FontMissing(f"KOJO_MES_PDF_FONT: {font} is no font that a PDF can be written with: {error}") from error


class Paper(FPDF):
    """One document. FontMissing."""

    def __init__(self, font: Path, orientation: Literal["portrait", "landscape"]) -> None:
        super().__init__(orientation=orientation, format="A4")
        use_font(self, font)
        self.set_font("plant", size=BODY)
        self.add_page()

    def heading(self, text: str, size: int) -> None:
        """On the page of what it stands over."""
        if self.will_page_break(ROOM):
            self.add_page()
        self.set_font_size(size)
        self.multi_cell(0, text=text, new_x="LMARGIN", new_y="NEXT")
        self.set_font_size(BODY)

    def rows(self, widths: tuple[int, ...], rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ()) -> None:
        """A table; `widths` in mm, `head` again on every page that it goes on to."""
        with self.table(
            col_widths=widths,
            text_align="LEFT",
            headings_style=HEAD,
            first_row_as_headings=bool(head),
            line_height=4,
        ) as table:
            for row in (head, *rows) if head else rows:
                table.row(row)

    def release(self) -> None:
        """For a document that is given up: fpdf2 closes its fonts' files only when it writes."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def footer(self) -> None:
        self.set_y(-12)
        self.cell(0, text=f"{self.page_no()} / {{nb}}", align="C")
