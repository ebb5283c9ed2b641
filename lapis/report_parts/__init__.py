"""Parts of the report: what a run folder holds, its figures, charts as inline SVG, and the page's sections."""
