"""A page on which a person checks samples: right, wrong or unsure, with a note, kept beside the file"""
