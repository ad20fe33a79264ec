"""Several replicas of the app behind one nginx; see README.md here."""
