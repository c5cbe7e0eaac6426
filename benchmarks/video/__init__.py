"""What videos cost: threads and workers, batches, and frames for the documents."""
