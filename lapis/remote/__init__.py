"""Models behind an OpenAI-compatible API: what is sent, how fast, how often again, and what comes back"""
