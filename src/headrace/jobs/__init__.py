"""Long work: jobs that are kept, run by workers, done again after a crash and never done twice."""
