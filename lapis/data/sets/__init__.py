"""SFT and RL sets of samples: instructions without copies, abilities in balance, answers chosen, items banded"""
