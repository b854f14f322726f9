"""How the schema changes: revisions, who can work with which, and the upgrade to the newest."""
