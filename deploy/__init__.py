"""The server, and what sets it up; see README.md.

replica is one process with the app, guard and pen what requests meet in it before or beside Streamlit; replicas are several
processes behind one nginx, which configure writes the settings of. set_up installs what lock has fixed, for a clone; command
is what an installed app is started by.
"""
