"""Figures of a run, each as SVG, PNG and the CSV that it was drawn from.

One module holds one or a few figures; a figure is a function of the run's tables that returns a `Drawing`.
"""

from ferry.report.figures.draw import FIGURES, draw_figures

__all__ = ["FIGURES", "draw_figures"]
