-- A second name under which its tenant finds a live session: one that the client chose.
ALTER TABLE sessions ADD COLUMN alias TEXT;
