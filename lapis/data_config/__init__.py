"""What recipes and verbs can say of data: frozen dataclasses like those of config.py, a file a part"""
