"""The nine stages in order: what they read and write, what must run and why, and the runner that resumes."""
