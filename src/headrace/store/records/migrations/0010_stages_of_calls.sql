-- How long a request spent in each stage, as JSON: a list of names and milliseconds in turns.
ALTER TABLE headrace_calls ADD COLUMN stages TEXT NOT NULL DEFAULT '';
