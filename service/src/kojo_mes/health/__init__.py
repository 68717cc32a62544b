"""Is the service able to do its work?"""
