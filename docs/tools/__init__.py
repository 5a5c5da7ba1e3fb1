"""What makes the documentation: the site, and the parts of pages that come from the code."""
