"""Files of rows as people have them: what kind a file is, and its rows one by one, the bad ones with their reason."""
