"""Identity: people, job roles, devices; who may do what."""
