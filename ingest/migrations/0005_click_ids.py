"""Click ids of joined sessions as objects again: 0.1.0 wrote them back as text in JSON, once for each join."""

from django.db import migrations

UNWRAP = """
DO $$ BEGIN
  LOOP
    UPDATE ingest_session SET click_ids = (click_ids #>> '{}')::jsonb
    WHERE click_ids IS NOT NULL AND jsonb_typeof(click_ids) = 'string';
    EXIT WHEN NOT FOUND;
  END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0004_rollups_and_keeping")]
    operations = [migrations.RunSQL(UNWRAP, migrations.RunSQL.noop)]
