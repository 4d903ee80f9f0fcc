"""Figures of a run, each as SVG, PNG and the CSV that it was drawn from."""

from ferry.figures.draw import FIGURES, draw_figures

__all__ = ["FIGURES", "draw_figures"]
