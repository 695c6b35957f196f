"""Reports: tables, sentences and figures rendered as HTML, Markdown and text."""
