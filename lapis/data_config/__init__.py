"""What the parts of the data engine can be told, a file a part, as frozen dataclasses"""
