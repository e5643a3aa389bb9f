"""The event table, partitioned by day of `ts`. Its days are made by `ingest.partitions`."""

from django.db import migrations

CREATE = """
CREATE TABLE ingest_event (
    site_id bigint NOT NULL,
    session_id bigint NOT NULL,
    visitor_id bigint NOT NULL,
    ts timestamptz NOT NULL,
    sent_ts timestamptz,
    received_at timestamptz NOT NULL,
    processed_at timestamptz NOT NULL,
    id uuid NOT NULL,
    batch_id uuid,
    value double precision,
    engaged_ms integer,
    scroll smallint,
    name text NOT NULL,
    category text,
    label text,
    hostname text,
    path text,
    query text,
    title text,
    referrer text,
    currency text,
    user_id text,
    correlation_id text,
    properties jsonb
) PARTITION BY RANGE (ts);
CREATE INDEX ingest_event_by_time ON ingest_event (site_id, ts);
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE ingest_event")]
