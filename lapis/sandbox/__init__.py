"""Code that nobody has read, run where it can reach nothing: no network, file or process, little time and memory"""
