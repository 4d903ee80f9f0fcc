"""What the report shows beside the figures: an overview to open with, and tables that can be searched.

Whatever comes from outside (titles, errors, keys, addresses) is shown as text: escaped in the overview, and in the
tables put into the page by JavaScript as text only.
"""

from ferry.report.pages.write import write_pages

__all__ = ["write_pages"]
