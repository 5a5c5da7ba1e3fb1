"""A take can have several generations."""

from pipeline.store.upgrading import execute

revision, down_revision = "13", "12"


def upgrade() -> None:
    """Change the tables."""
    execute(
        "CREATE TABLE new_jobs (id INTEGER NOT NULL, sheet INTEGER NOT NULL, row_id TEXT "
        "NOT NULL, take BIGINT NOT NULL, part VARCHAR(40) DEFAULT '' NOT NULL, asked "
        "INTEGER NOT NULL, made_at BIGINT, moved BIGINT NOT NULL, dismissed BIGINT, "
        "PRIMARY KEY (id), UNIQUE (sheet, row_id, take, part), FOREIGN KEY(sheet) "
        "REFERENCES sheets (id))",
        "INSERT INTO new_jobs (id, sheet, row_id, take, asked, made_at, moved, dismissed) "
        "SELECT id, sheet, row_id, take, asked, made_at, moved, dismissed FROM jobs",
        "DROP TABLE jobs",
        "ALTER TABLE new_jobs RENAME TO jobs",
        "CREATE INDEX jobs_by_moved ON jobs (sheet, moved)",
    )
