"""Searches as SQL: filters, orders, pages, and what they find as entities."""
