"""Uploaded files as tables: CSV, TSV, XLSX, JSON and NDJSON, also inside gzip and zip, in constant memory."""

from service.ingest.files.opening import open_table
from service.ingest.files.table import FileOptions, FileRefused, Row, RowError, Table

__all__ = ["FileOptions", "FileRefused", "Row", "RowError", "Table", "open_table"]
