"""Training beside pages that stay alive: jobs, their pool, and where they compute."""
