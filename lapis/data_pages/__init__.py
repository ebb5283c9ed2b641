"""Looking at data: samples with their training mask, in the terminal and on pages that a person turns"""
