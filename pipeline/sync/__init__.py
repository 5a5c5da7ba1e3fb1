"""One pass over one sheet: read it, send, poll, save pictures, write the cells."""
