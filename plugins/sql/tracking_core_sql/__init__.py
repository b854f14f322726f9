"""Backend stores in SQL databases: sqlite, PostgreSQL, MySQL, MariaDB, MS SQL."""
