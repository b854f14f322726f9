"""The revisions of the schema, each a file that stays as it is once it is released."""
