"""RL as processes on Ray: engines write, judges check, one trainer updates, and the orchestrator holds them together.

Read orchestrator.py first. pool.py says which question is asked when and which groups make a step, dispatch.py which
engine writes what; both know nothing of processes. engine.py, trainer.py and judge.py are the processes, crew.py is
how the orchestrator reaches them, weights.py is what runs between trainer and engines, trace.py is who did what when.
"""
