-- What each gateway has answered in each quarter of an hour, by what service levels count.
CREATE TABLE headrace_slo_counts (
    level TEXT NOT NULL,
    step {number} NOT NULL,
    holder TEXT NOT NULL,
    good {number} NOT NULL,
    answers {number} NOT NULL,
    PRIMARY KEY (level, step, holder)
){clustered};
