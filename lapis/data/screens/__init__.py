"""Generated app screens in English and Chinese with element boxes, rendered by a local Chromium, and their tasks."""
