"""Lines of batches that are handed to the Batch API of their provider."""
