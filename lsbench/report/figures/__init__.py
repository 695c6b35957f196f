"""Figures of reports: content (a `FigureSpec`), captions, drawing by matplotlib, and files."""
