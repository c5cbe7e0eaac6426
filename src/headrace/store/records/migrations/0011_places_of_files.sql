-- Which data directories this store knows, and since which file: what is in a directory that it does
-- not know, or was there before, is not for it to delete.
CREATE TABLE headrace_places (
    place TEXT PRIMARY KEY NOT NULL,
    first_file TEXT NOT NULL
){clustered};

INSERT INTO headrace_places (place, first_file)
SELECT place, min(id) FROM headrace_files GROUP BY place;
