"""The server, and what sets it up; see README.md.

replica: one process with the app. guard, pen: requests that Streamlit does not get, or not before they were looked at.
replicas, configure: several processes behind one nginx, and its settings. lock, set_up: fixed versions, and their
installation in a clone. command: starts an installed app.
"""
