"""What serves the chapters of the book alone, apart from the library."""
