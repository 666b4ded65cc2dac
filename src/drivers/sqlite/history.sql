-- History: the commit's time, and what was found. Both columns are hashed only where they are not NULL, so that the records
-- written before them keep their hashes.

ALTER TABLE audit ADD COLUMN committed_at INTEGER;  -- of `commit_id`
ALTER TABLE audit ADD COLUMN since INTEGER;         -- of what was found: when it had last been as recorded
ALTER TABLE head ADD COLUMN looked_at INTEGER;      -- when a run that could write last compared the directory with the trail
