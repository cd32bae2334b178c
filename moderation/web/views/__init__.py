"""Views: what a page shows, gathered and bounded before its template writes it."""
