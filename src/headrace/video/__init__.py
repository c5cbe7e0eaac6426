"""Videos of scripts: scenes with readable text, captions and sound, rendered by ffmpeg."""
