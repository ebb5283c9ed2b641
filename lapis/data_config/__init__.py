"""What a user may set of the data engine: frozen dataclasses, one file a part"""
