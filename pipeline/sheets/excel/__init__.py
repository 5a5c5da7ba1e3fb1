"""Excel sheets: only the cells that change are rewritten in the package."""
