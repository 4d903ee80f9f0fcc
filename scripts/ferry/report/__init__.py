"""What became of records: evidence, tables, figures, pages."""
