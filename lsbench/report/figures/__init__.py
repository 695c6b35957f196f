"""Figures: what each shows, and drawing them."""
