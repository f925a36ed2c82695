"""Answer: a value that people may read. It says what is to be shown once; the forms are made from that."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kitops_orchestration.presentation.page import Page


class Answer:
    """Gives a value with ``page()`` its forms as text."""

    __slots__ = ()

    @abstractmethod
    def page(self) -> Page:
        """Return the page that every form is made from."""

    def to_markdown(self) -> str:
        """Return the page as Markdown: for a pull request, a ticket, an orchestrator's metadata."""
        from kitops_orchestration.presentation import markdown

        return markdown.render(self.page())

    def _repr_html_(self) -> str:
        from kitops_orchestration.presentation import notebook

        return notebook.render(self.page())
