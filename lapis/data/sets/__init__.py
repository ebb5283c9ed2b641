"""SFT and RL sets of finished samples: instructions without copies, abilities in balance, answers chosen, items banded"""
